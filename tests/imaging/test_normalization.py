"""Normalization of a gray image to one digit image."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.domain.errors import ImageError, MultipleDigits, NoDigit
from app.imaging import normalization
from app.imaging.decoding import GrayImage
from app.imaging.normalization import normalize, to_model_input
from app.onnx_runtime import open_session
from config import ROOT
from tests.conftest import GoldenSet


def gray_of(golden: GoldenSet, index: int) -> GrayImage:
    return golden.digits[index].astype(np.float32) / np.float32(255)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean gray difference, relative to the mean ink."""
    return float(np.abs(one.astype(int) - other.astype(int)).mean() / one.mean())


def test_golden_digit_is_hardly_changed(golden: GoldenSet) -> None:
    changes = [difference(golden.digits[i], normalize(gray_of(golden, i))) for i in range(300)]
    assert np.median(changes) < 0.05


def test_normalized_digit_is_28_by_28_bytes_with_light_ink(golden: GoldenSet) -> None:
    digit = normalize(gray_of(golden, 0))
    assert (digit.shape, digit.dtype, digit.max()) == ((28, 28), np.uint8, 255)
    assert np.median(digit) == 0


def test_polarity_makes_no_difference(golden: GoldenSet) -> None:
    for index in range(50):
        light_on_dark = gray_of(golden, index)
        assert difference(normalize(light_on_dark), normalize(1 - light_on_dark)) < 0.02


def test_position_makes_no_difference(golden: GoldenSet) -> None:
    for index in range(50):
        page = np.zeros((60, 90), dtype=np.float32)
        page[25:53, 55:83] = gray_of(golden, index)
        assert difference(normalize(gray_of(golden, index)), normalize(page)) < 0.02


def test_size_makes_little_difference(golden: GoldenSet) -> None:
    block = np.ones((15, 15), dtype=np.float32)
    changes = [
        difference(normalize(gray), normalize(np.kron(gray, block)))
        for gray in (gray_of(golden, index) for index in range(100))
    ]
    assert np.median(changes) < 0.1


def test_uneven_lighting_is_removed(golden: GoldenSet) -> None:
    shade = np.linspace(0.3, 0.8, 28, dtype=np.float32)
    for index in range(50):
        lit = shade - 0.25 * gray_of(golden, index)
        assert difference(normalize(gray_of(golden, index)), normalize(lit)) < 0.35


def test_specks_are_removed(golden: GoldenSet) -> None:
    page = np.zeros((84, 84), dtype=np.float32)
    page[28:56, 28:56] = gray_of(golden, 0)
    clean = normalize(page)
    page[3, 5] = page[80, 81] = 1
    assert difference(clean, normalize(page)) < 0.02


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_blank_page_has_no_digit(level: float) -> None:
    with pytest.raises(NoDigit):
        normalize(np.full((28, 28), level, dtype=np.float32))


def test_shaded_blank_page_has_no_digit() -> None:
    shade = np.linspace(0.2, 0.9, 100, dtype=np.float32)
    with pytest.raises(NoDigit):
        normalize(np.tile(shade, (100, 1)))


@pytest.mark.parametrize(("stack", "min_rejected"), [(np.hstack, 195), (np.vstack, 150)])
def test_two_digits_side_by_side_or_stacked_are_rejected(
    golden: GoldenSet, stack: Callable[[list[GrayImage]], GrayImage], min_rejected: int
) -> None:
    rejected = 0
    for index in range(0, 400, 2):
        try:
            normalize(stack([gray_of(golden, index), gray_of(golden, index + 1)]))
        except MultipleDigits:
            rejected += 1
    assert rejected >= min_rejected


def test_hardly_any_single_digit_is_rejected_as_two(golden: GoldenSet) -> None:
    rejected = 0
    for index in range(2000):
        try:
            normalize(gray_of(golden, index))
        except MultipleDigits:
            rejected += 1
    assert rejected <= 1


@settings(max_examples=200)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        elements=st.floats(0, 1, width=32),
    )
)
def test_any_gray_image_gives_a_digit_or_an_image_error(gray: GrayImage) -> None:
    try:
        digit = normalize(gray)
    except ImageError:
        return
    assert digit.shape == (28, 28)
    assert digit.max() > 0


PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]] = {
    "noise": lambda rows, _, rng: rng.random(rows.shape),
    "specks": lambda rows, _, rng: rng.random(rows.shape) > 0.9,
    "constant": lambda rows, _, rng: np.full(rows.shape, rng.random()),
    "checkerboard": lambda rows, columns, _: (rows + columns) % 2,
    "stripes": lambda rows, _, rng: rows // rng.integers(1, 12) % 2,
    "ramp": lambda rows, columns, _: (rows + columns) / (rows + columns).max(),
    "frames": lambda rows, columns, rng: (
        np.minimum.reduce([rows, columns, rows[::-1], columns[:, ::-1]]) // rng.integers(1, 9) % 2
    ),
}


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_any_pattern_gives_a_digit_or_an_image_error(pattern: str) -> None:
    rng = np.random.default_rng(11)
    for _ in range(40):
        rows, columns = np.indices(rng.integers(64, 300, 2))
        page = PATTERNS[pattern](rows, columns, rng).astype(np.float32)
        try:
            digit = normalize(page)
        except ImageError:
            continue
        assert digit.shape == (28, 28)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2000)])
def test_sliver_gives_a_digit_or_an_image_error(shape: tuple[int, int]) -> None:
    gray = np.zeros(shape, dtype=np.float32)
    gray[0, 0] = 1
    try:
        digit = normalize(gray)
    except ImageError:
        return
    assert digit.shape == (28, 28)


def test_model_input_is_float_from_0_to_1() -> None:
    inputs = to_model_input(np.full((3, 28, 28), 255, dtype=np.uint8))
    assert (inputs.shape, inputs.dtype, inputs.max()) == ((3, 1, 28, 28), np.float32, 1)


def page_of(golden: GoldenSet, index: int) -> GrayImage:
    """Return a golden digit, 100 pixels tall, dark on a white page of 240 by 320."""
    block = np.ones((4, 4), dtype=np.float32)
    page = np.ones((240, 320), dtype=np.float32)
    page[60:172, 100:212] = 1 - np.float32(0.7) * np.kron(gray_of(golden, index), block)
    return page


@pytest.mark.parametrize("vertical", [False, True])
def test_predictions_on_ruled_and_plain_paper_agree(golden: GoldenSet, vertical: bool) -> None:
    session = open_session((ROOT / "models" / "v2.onnx").read_bytes())
    plain = [page_of(golden, index) for index in range(100)]
    answers = []
    for pages in (plain, [ruled(page, vertical) for page in plain]):
        inputs = to_model_input(np.stack([normalize(page) for page in pages]))
        answers.append(session.run(None, {"digits": inputs})[0].argmax(axis=1))
    assert np.count_nonzero(answers[0] == answers[1]) >= 98


def ruled(page: GrayImage, vertical: bool) -> GrayImage:
    """Return the page with lines two pixels thick every 30, horizontal or vertical."""
    lined = page.copy()
    lines = lined.T if vertical else lined
    for row in range(10, lines.shape[0], 30):
        lines[row : row + 2] = np.minimum(lines[row : row + 2], 0.7)
    return lined


def test_digit_that_fills_more_than_half_of_its_image_is_still_ink(
    golden: GoldenSet,
) -> None:
    changes = []
    for index in range(50):
        digit = normalize(gray_of(golden, index))
        rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
        tight = digit[rows[0] : rows[-1] + 1, columns[0] - 1 : columns[-1] + 2]
        changes.append(difference(digit, normalize(tight.astype(np.float32) / np.float32(255))))
    assert np.median(changes) < 0.4


def test_large_images_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(normalization, "normalize", lambda _: order.append("normalize"))
    normalization.preprocess_many([b"no small PNG"] * 3, lambda _: order.append("decode"))
    assert order == ["decode", "normalize"] * 3
