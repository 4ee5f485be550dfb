"""MNIST-C's corruptions: properties that all share, then those of each."""

import numpy as np
import numpy.typing as npt
import pytest

from app.domain.predictions import DigitImage
from app.training.mnist_c import CORRUPTIONS
from tests.conftest import GoldenSet

Digits = npt.NDArray[np.uint8]

DETERMINISTIC = {"scale", "brightness", "stripe", "canny_edges"}


@pytest.fixture
def digits(golden: GoldenSet) -> Digits:
    """Return the first 100 digits of the golden set."""
    return golden.digits[:100]


def box(top: int, bottom: int, left: int, right: int) -> Digits:
    """Return a hundred copies of a white box on black, without the last row and column."""
    drawn = np.zeros((100, 28, 28), dtype=np.uint8)
    drawn[:, top:bottom, left:right] = 255
    return drawn


def corrupted(name: str, digits: Digits, seed: int = 1) -> Digits:
    """Return digits (n, 28, 28) after one corruption, all from one random generator."""
    rng = np.random.default_rng(seed)
    return np.stack([CORRUPTIONS[name](digit, rng) for digit in digits])


def masses(digits: Digits) -> npt.NDArray[np.float64]:
    """Return the amount of ink of each digit, (n,)."""
    return np.asarray(digits.sum(axis=(1, 2)), dtype=np.float64)


def extent(digit: DigitImage) -> int:
    """Return the larger of the numbers of rows and columns that the ink spans."""
    return int(np.ptp(np.argwhere(digit > 127), axis=0).max()) + 1


def lean(digit: DigitImage) -> float:
    """Return by how many columns the ink moves to the right per row, to one decimal."""
    rows, columns = np.nonzero(digit > 127)
    return round(float(np.polyfit(rows, columns, 1)[0]), 1)


def test_corruptions_are_the_papers_fifteen_in_order() -> None:
    assert " ".join(CORRUPTIONS) == (
        "shot_noise impulse_noise glass_blur motion_blur shear scale rotate brightness translate"
        " stripe fog spatter dotted_line zigzag canny_edges"
    )


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_returns_another_digit_and_leaves_its_argument_unchanged(
    name: str, digits: Digits
) -> None:
    given = digits.copy()
    result = corrupted(name, given)
    assert np.array_equal(given, digits)
    assert result.dtype == np.uint8
    assert result.shape == digits.shape
    assert (result != digits).any(axis=(1, 2)).all()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_randomness_comes_only_from_the_generator(name: str, digits: Digits) -> None:
    result = corrupted(name, digits, seed=1)
    assert np.array_equal(result, corrupted(name, digits, seed=1))
    assert np.array_equal(result, corrupted(name, digits, seed=2)) == (name in DETERMINISTIC)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("glass_blur", 0.9, 1.0),
        ("motion_blur", 0.9, 1.1),
        ("shear", 1.0, 1.15),
        ("rotate", 0.95, 1.05),
        ("scale", 0.45, 0.55),
        ("translate", 0.9, 1.0),
    ],
)
def test_transformations_keep_the_expected_amount_of_ink(
    digits: Digits, name: str, least: float, most: float
) -> None:
    kept = masses(corrupted(name, digits)) / masses(digits)
    assert least <= kept.min()
    assert kept.max() <= most


def test_shot_noise_counts_three_photons_for_white_and_none_for_black() -> None:
    result = corrupted("shot_noise", box(0, 28, 0, 14))
    assert not result[:, :, 14:].any()
    counts = np.bincount(result[:, :, :14].ravel() // 85) / result[:, :, :14].size
    poisson = [np.exp(-3), 3 * np.exp(-3), 4.5 * np.exp(-3)]
    assert counts == pytest.approx([*poisson, 1 - sum(poisson)], abs=0.01)


def test_impulse_noise_is_black_as_often_as_white() -> None:
    result = corrupted("impulse_noise", np.full((100, 28, 28), 100, dtype=np.uint8))
    shares = [np.mean(result == gray) for gray in (0, 100, 255)]
    assert shares == pytest.approx([0.085, 0.83, 0.085], abs=0.005)


def test_glass_blur_frays_a_straight_edge() -> None:
    result = corrupted("glass_blur", box(0, 28, 10, 18))
    assert result[:, 8:20, 9].std(axis=1).min() > 5
    assert result[:, 8:20, 14].mean() > 240


def test_motion_blur_smears_to_one_side_within_45_degrees() -> None:
    result = corrupted("motion_blur", box(14, 15, 20, 21))
    _, rows, columns = np.nonzero(result)
    assert columns.max() == 20
    assert columns.min() <= 12
    assert (np.abs(rows - 14) <= 20 - columns).all()
    assert {-5, 5} <= set(rows - 14)


def test_shear_slants_to_either_side_and_keeps_horizontal_lines() -> None:
    upright = corrupted("shear", box(6, 22, 12, 16))
    assert {lean(digit) for digit in upright} == {-0.4, 0.4}
    level = corrupted("shear", box(12, 16, 6, 22))
    assert {abs(lean(digit.T)) for digit in level} == {0}


def test_rotate_turns_all_lines_to_either_side() -> None:
    upright = corrupted("rotate", box(4, 24, 12, 16))
    assert {lean(digit) for digit in upright} == {-0.4, 0.4}
    level = corrupted("rotate", box(12, 16, 4, 24))
    assert {lean(digit.T) for digit in level} == {-0.4, 0.4}


def test_scale_shrinks_the_ink_to_seven_tenths(digits: Digits) -> None:
    small = [extent(digit) for digit in corrupted("scale", digits)]
    assert np.mean(small) == pytest.approx(0.7 * np.mean([extent(digit) for digit in digits]), 0.03)


def test_brightness_raises_ground_and_ink_by_half(digits: Digits) -> None:
    result = corrupted("brightness", digits)
    assert set(result[digits == 0]) == {128}
    assert set(result[digits == 100]) <= {227, 228}
    assert set(result[digits > 127]) == {255}


def test_translate_moves_by_three_to_each_corner() -> None:
    _, rows, columns = np.nonzero(corrupted("translate", box(14, 15, 14, 15)))
    places = set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert places == {(11, 11), (11, 17), (17, 11), (17, 17)}


def test_stripe_inverts_the_outer_quarters(digits: Digits) -> None:
    result = corrupted("stripe", digits)
    assert np.array_equal(result[:, :, 7:21], digits[:, :, 7:21])
    assert np.array_equal(result[:, :, :7], 255 - digits[:, :, :7])
    assert np.array_equal(result[:, :, 21:], 255 - digits[:, :, 21:])


def test_fog_leaves_a_quarter_of_the_contrast_on_an_uneven_background() -> None:
    result = corrupted("fog", box(0, 28, 0, 14)).astype(int)
    assert np.mean(result[:, :, 13] - result[:, :, 14]) == pytest.approx(255 / 4, abs=1)
    ground = result[:, :, 14:]
    assert ground.max() <= 0.76 * 255
    assert ground.std(axis=(1, 2)).min() > 1
    assert ground.mean(axis=(1, 2)).std() > 25


def test_spatter_is_gray_on_white_and_on_black() -> None:
    result = corrupted("spatter", box(0, 28, 0, 14))
    on_black = result[:, :, 14:]
    assert set(np.unique(on_black)) <= {0, *range(50, 64)}
    assert 0.08 < np.mean(on_black > 0) < 0.2
    on_white = result[:, :, :14]
    assert set(np.unique(on_white)) <= {*range(63, 103), 255}
    assert 0.08 < np.mean(on_white < 255) < 0.2


def test_dotted_line_alternates_every_two_columns() -> None:
    result = corrupted("dotted_line", box(0, 0, 0, 0))
    inked = result.max(axis=1) > 127
    assert np.array_equal(inked.all(axis=0), [column % 4 > 1 for column in range(27)] + [False])
    assert not result[:, :, np.arange(28) % 4 < 2].any()


def test_zigzag_swings_by_two_to_either_side() -> None:
    result = corrupted("zigzag", box(0, 0, 0, 0))
    assert not result[:, :, :2].any()
    assert not result[:, :, 26:].any()
    in_view = result.max(axis=1)[:, 2:25].min(axis=1) > 180
    turns = result[in_view].argmax(axis=1)[:, 4:25:4]
    swings = np.diff(turns, axis=1) * [-1, 1, -1, 1, -1]
    assert len(swings) > 50
    assert swings.min() >= 2
    assert swings.mean() == pytest.approx(4, abs=0.5)


def test_lines_only_add_light(digits: Digits) -> None:
    for name in ("dotted_line", "zigzag"):
        assert (corrupted(name, digits) >= digits).all()


def test_canny_edges_are_a_white_ring_around_ink() -> None:
    result = corrupted("canny_edges", box(8, 20, 8, 20))[0]
    assert set(np.unique(result)) == {0, 255}
    assert not result[10:18, 10:18].any()
    assert extent(result) in (12, 13, 14)
    assert (result[14] > 0).sum() == (result[:, 14] > 0).sum() == 2
