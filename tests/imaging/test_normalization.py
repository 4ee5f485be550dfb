"""Normalization of plain gray images and of ink."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.domain.errors import ImageError, NoDigit
from app.imaging.normalization import normalize_plain, to_model_input
from app.imaging.page import GrayLevels
from tests.conftest import GoldenSet

Plain = list[tuple[GrayLevels, GrayLevels]]


@pytest.fixture(scope="module")
def plain(golden: GoldenSet) -> Plain:
    """Return the first plain ones of MNIST's images, each with what it is normalized to."""
    pairs = [(digit, normalize_plain(digit)) for digit in golden.digits[:400]]
    return [(digit, found) for digit, found in pairs if found is not None]


def difference(one: GrayLevels | None, other: GrayLevels | None) -> float:
    """Return the mean gray difference, relative to the mean ink; infinite if one is missing."""
    if one is None or other is None:
        return np.inf
    return float(np.abs(one.astype(int) - other.astype(int)).mean() / one.mean())


def test_nearly_all_of_mnist_is_plain(plain: Plain) -> None:
    assert len(plain) >= 0.97 * 400


def test_plain_digit_is_hardly_changed(plain: Plain) -> None:
    assert np.median([difference(digit, found) for digit, found in plain]) < 0.05


def test_normalized_digit_is_28_by_28_bytes_with_light_ink(plain: Plain) -> None:
    _, found = plain[0]
    assert (found.shape, found.dtype, found.max()) == ((28, 28), np.uint8, 255)
    assert np.median(found) == 0


def test_polarity_makes_no_difference(plain: Plain) -> None:
    assert max(difference(found, normalize_plain(255 - digit)) for digit, found in plain) < 0.02


def test_position_makes_no_difference(plain: Plain) -> None:
    for digit, found in plain[:50]:
        page = np.zeros((60, 66), dtype=np.uint8)
        page[25:53, 35:63] = digit
        assert difference(found, normalize_plain(page)) < 0.02


def test_size_makes_little_difference(plain: Plain) -> None:
    block = np.ones((2, 2), dtype=np.uint8)
    changes = [difference(found, normalize_plain(np.kron(digit, block))) for digit, found in plain]
    assert np.median(changes) < 0.1


def test_specks_are_removed(plain: Plain) -> None:
    digit, found = plain[0]
    page = np.zeros((60, 60), dtype=np.uint8)
    page[16:44, 16:44] = digit
    page[3, 5] = page[50, 57] = 255
    assert difference(found, normalize_plain(page)) < 0.02


@pytest.mark.parametrize("level", [0, 127, 255])
def test_blank_image_has_no_digit(level: int) -> None:
    with pytest.raises(NoDigit):
        normalize_plain(np.full((28, 28), level, dtype=np.uint8))


def test_two_digits_are_not_plain(plain: Plain) -> None:
    pairs = [
        stack([one, other])
        for (one, _), (other, _) in zip(plain[::2], plain[1::2], strict=False)
        for stack in (np.hstack, np.vstack)
    ]
    assert np.mean([normalize_plain(pair) is None for pair in pairs]) > 0.98


def shaded(digit: GrayLevels) -> GrayLevels:
    return (np.linspace(80, 200, 28) - digit / 4).astype(np.uint8)


def framed(digit: GrayLevels) -> GrayLevels:
    return np.pad(255 - digit, 6, constant_values=0)


def cropped(digit: GrayLevels) -> GrayLevels:
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def crossed(digit: GrayLevels) -> GrayLevels:
    page = np.pad(digit, 4)
    page[8::12] = 90
    return page


def in_two_tones(digit: GrayLevels) -> GrayLevels:
    page = np.full((40, 40), 128, np.uint8)
    page[6:34, 6:34] = np.maximum(page[6:34, 6:34], digit)
    page[3:5, 3:20] = 0
    return page


@pytest.mark.parametrize("change", [shaded, framed, crossed, in_two_tones])
def test_what_needs_the_ink_network_is_not_plain(plain: Plain, change: object) -> None:
    assert callable(change)
    assert np.mean([normalize_plain(change(digit)) is None for digit, _ in plain]) > 0.98


def test_close_crops_are_normalized_nearly_as_the_whole(plain: Plain) -> None:
    found = [(normalize_plain(cropped(digit)), whole) for digit, whole in plain]
    changes = [difference(tight, whole) for tight, whole in found if tight is not None]
    assert len(changes) > 0.9 * len(plain)
    assert np.median(changes) < 0.3


@settings(max_examples=200)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_any_gray_image_gives_a_digit_or_none_or_an_image_error(gray: GrayLevels) -> None:
    try:
        digit = normalize_plain(gray)
    except ImageError:
        return
    assert digit is None or (digit.shape == (28, 28) and digit.max() > 0)


def test_model_input_is_float_from_0_to_1() -> None:
    inputs = to_model_input(np.full((3, 28, 28), 255, dtype=np.uint8))
    assert (inputs.shape, inputs.dtype, inputs.max()) == ((3, 1, 28, 28), np.float32, 1)
