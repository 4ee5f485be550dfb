"""Preprocessing: from image files to digit images, with the bundled ink network."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.domain.errors import MultipleDigits, NoDigit, UnreadableImage
from app.imaging.ink_finder import InkModel, Probabilities
from app.imaging.preprocessing import (
    NotPlain,
    Preprocessed,
    find_digit,
    preprocess,
    preprocess_many,
    preprocess_small,
)
from app.onnx_runtime import open_session
from app.training.bundled_models import SEEDS, model_path
from benchmarks.pictures_without_digit import PAIRS_OF_DIGITS, PICTURES
from tests.conftest import GoldenSet, encode_image

PHOTOGRAPH = Path(__file__).parents[1] / "support" / "files" / "digit.heic"  # of a 5
PAGE = np.full((60, 60, 3), 255, np.uint8)


def model_that_finds(ink: float, none: float, one: float, several: float) -> InkModel:
    """Return a network that marks a square in the middle of each view."""

    def run(views: np.ndarray) -> tuple[Probabilities, Probabilities]:
        marked = np.zeros(views.shape[:3], np.float32)
        marked[:, 30:66, 30:66] = ink
        return marked, np.tile(np.array([none, one, several], np.float32), (len(views), 1))

    return run


def test_certainty_is_that_of_a_single_digit_and_little_of_it_is_doubtful() -> None:
    sure = find_digit(PAGE, model_that_finds(0.9, 0.1, 0.85, 0.05))
    unsure = find_digit(PAGE, model_that_finds(0.9, 0.4, 0.4, 0.2))
    assert sure.single_digit_probability == pytest.approx(0.85)
    assert (sure.is_doubtful, unsure.is_doubtful) == (False, True)
    assert (sure.digit.shape, sure.digit.max()) == ((28, 28), 255)


@pytest.mark.parametrize(
    ("ink", "contents", "error"),
    [
        (0.0, (0.1, 0.8, 0.1), NoDigit),
        (0.9, (0.97, 0.02, 0.01), NoDigit),
        (0.9, (0.02, 0.08, 0.9), MultipleDigits),
    ],
)
def test_no_digit_and_several_are_rejected(
    ink: float, contents: tuple[float, float, float], error: type[Exception]
) -> None:
    with pytest.raises(error):
        find_digit(PAGE, model_that_finds(ink, *contents))


def test_small_images_are_read_without_the_network_if_they_are_plain(golden: GoldenSet) -> None:
    plain = golden.digits[3]
    for image in (plain, 255 - plain, np.dstack([plain] * 3)):
        found = preprocess_small(encode_image(Image.fromarray(image)))
        assert found is not None
        assert found.single_digit_probability == 1
    framed = encode_image(Image.fromarray(np.pad(255 - plain, 4)))
    colored = np.dstack([plain, plain // 2, 255 - plain])
    assert preprocess_small(framed) is None
    assert preprocess_small(encode_image(Image.fromarray(colored))) is None


def test_what_is_not_plain_is_left_to_the_caller_and_errors_are_returned(golden: GoldenSet) -> None:
    def leave_out(_: bytes) -> Preprocessed:
        raise NotPlain

    framed = encode_image(Image.fromarray(np.pad(255 - golden.digits[3], 4)))
    blank = encode_image(Image.new("L", (28, 28), 9))
    found = preprocess_many([golden.png(3), framed, blank, b"no image"], leave_out)
    assert [type(each) for each in found] == [Preprocessed, NotPlain, NoDigit, NotPlain]


def test_a_photograph_of_a_phone_is_read() -> None:
    session = open_session(model_path("v2", SEEDS[0]).read_bytes())
    digit = preprocess(PHOTOGRAPH.read_bytes()).digit.astype(np.float32) / np.float32(255)
    (probabilities,) = session.run(None, {"digits": digit[None, None]})
    assert probabilities[0].argmax() == 5


def test_damaged_photographs_raise_only_image_errors() -> None:
    whole = PHOTOGRAPH.read_bytes()
    for end in range(0, len(whole) - 1, 25):
        with pytest.raises(UnreadableImage):
            preprocess(whole[:end])


@pytest.mark.parametrize("name", PAIRS_OF_DIGITS)
def test_most_pairs_of_digits_are_rejected(name: str) -> None:
    rejected, files = 0, PAIRS_OF_DIGITS[name](np.random.default_rng(2))
    for _ in range(60):
        try:
            preprocess(next(files))
        except MultipleDigits:
            rejected += 1
    assert rejected >= 54


@pytest.mark.parametrize(
    ("name", "most"), [("textures", 12), ("words", 40), ("icons", 52), ("screenshots", 12)]
)
def test_pictures_of_no_digit_are_often_rejected_or_get_a_warning(name: str, most: int) -> None:
    confident, files = 0, PICTURES[name](np.random.default_rng(2))
    for _ in range(60):
        try:
            confident += not preprocess(next(files)).is_doubtful
        except (NoDigit, MultipleDigits):
            continue
    assert confident <= most
