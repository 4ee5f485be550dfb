"""The corruptions of MNIST-C: what holds for all of them, then what each is known by."""

import numpy as np
import numpy.typing as npt
import pytest

from app.domain.predictions import DigitImage
from app.training.mnist_c import CORRUPTIONS
from tests.conftest import GoldenSet

Digits = npt.NDArray[np.uint8]

WITHOUT_DICE = {"scale", "brightness", "stripe", "canny_edges"}


@pytest.fixture
def digits(golden: GoldenSet) -> Digits:
    """The first 100 of the golden set."""
    return golden.digits[:100]


def box(top: int, bottom: int, left: int, right: int) -> Digits:
    """A hundred times one white box on black; the last row and column are not in it."""
    drawn = np.zeros((100, 28, 28), dtype=np.uint8)
    drawn[:, top:bottom, left:right] = 255
    return drawn


def corrupted(name: str, digits: Digits, seed: int = 1) -> Digits:
    """Digits (n, 28, 28) after one corruption, each with the next throw of the same dice."""
    rng = np.random.default_rng(seed)
    return np.stack([CORRUPTIONS[name](digit, rng) for digit in digits])


def masses(digits: Digits) -> npt.NDArray[np.float64]:
    """How much ink each digit has (n,)."""
    return np.asarray(digits.sum(axis=(1, 2)), dtype=np.float64)


def extent(digit: DigitImage) -> int:
    """How many rows or columns the ink spans, whichever are more."""
    return int(np.ptp(np.argwhere(digit > 127), axis=0).max()) + 1


def lean(digit: DigitImage) -> float:
    """How many columns the ink moves to the right from one row to the next, to one decimal."""
    rows, columns = np.nonzero(digit > 127)
    return round(float(np.polyfit(rows, columns, 1)[0]), 1)


def test_there_are_the_papers_fifteen_in_its_order() -> None:
    assert " ".join(CORRUPTIONS) == (
        "shot_noise impulse_noise glass_blur motion_blur shear scale rotate brightness translate"
        " stripe fog spatter dotted_line zigzag canny_edges"
    )


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_gives_another_digit_and_leaves_the_given_one_alone(name: str, digits: Digits) -> None:
    given = digits.copy()
    made = corrupted(name, given)
    assert np.array_equal(given, digits)
    assert made.dtype == np.uint8
    assert made.shape == digits.shape
    assert (made != digits).any(axis=(1, 2)).all()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_chance_is_in_the_dice_alone(name: str, digits: Digits) -> None:
    made = corrupted(name, digits, seed=1)
    assert np.array_equal(made, corrupted(name, digits, seed=1))
    assert np.array_equal(made, corrupted(name, digits, seed=2)) == (name in WITHOUT_DICE)


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
def test_where_ink_moves_it_stays_as_much_as_it_should(
    digits: Digits, name: str, least: float, most: float
) -> None:
    kept = masses(corrupted(name, digits)) / masses(digits)
    assert least <= kept.min()
    assert kept.max() <= most


def test_shot_noise_counts_three_photons_for_white_and_none_for_black() -> None:
    made = corrupted("shot_noise", box(0, 28, 0, 14))
    assert not made[:, :, 14:].any()
    counts = np.bincount(made[:, :, :14].ravel() // 85) / made[:, :, :14].size
    poisson = [np.exp(-3), 3 * np.exp(-3), 4.5 * np.exp(-3)]
    assert counts == pytest.approx([*poisson, 1 - sum(poisson)], abs=0.01)


def test_impulse_noise_is_as_often_black_as_white() -> None:
    made = corrupted("impulse_noise", np.full((100, 28, 28), 100, dtype=np.uint8))
    shares = [np.mean(made == gray) for gray in (0, 100, 255)]
    assert shares == pytest.approx([0.085, 0.83, 0.085], abs=0.005)


def test_glass_blur_frays_a_straight_edge() -> None:
    made = corrupted("glass_blur", box(0, 28, 10, 18))
    assert made[:, 8:20, 9].std(axis=1).min() > 5
    assert made[:, 8:20, 14].mean() > 240


def test_motion_blur_smears_to_one_side_within_45_degrees() -> None:
    made = corrupted("motion_blur", box(14, 15, 20, 21))
    _, rows, columns = np.nonzero(made)
    assert columns.max() == 20
    assert columns.min() <= 12
    assert (np.abs(rows - 14) <= 20 - columns).all()
    assert {-5, 5} <= set(rows - 14)


def test_shear_slants_to_either_side_and_keeps_level_lines_level() -> None:
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
    made = corrupted("brightness", digits)
    assert set(made[digits == 0]) == {128}
    assert set(made[digits == 100]) <= {227, 228}
    assert set(made[digits > 127]) == {255}


def test_translate_moves_by_three_to_each_corner() -> None:
    _, rows, columns = np.nonzero(corrupted("translate", box(14, 15, 14, 15)))
    places = set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert places == {(11, 11), (11, 17), (17, 11), (17, 17)}


def test_stripe_inverts_the_outer_quarters(digits: Digits) -> None:
    made = corrupted("stripe", digits)
    assert np.array_equal(made[:, :, 7:21], digits[:, :, 7:21])
    assert np.array_equal(made[:, :, :7], 255 - digits[:, :, :7])
    assert np.array_equal(made[:, :, 21:], 255 - digits[:, :, 21:])


def test_fog_leaves_a_quarter_of_the_contrast_on_an_uneven_ground() -> None:
    made = corrupted("fog", box(0, 28, 0, 14)).astype(int)
    assert np.mean(made[:, :, 13] - made[:, :, 14]) == pytest.approx(255 / 4, abs=1)
    ground = made[:, :, 14:]
    assert ground.max() <= 0.76 * 255
    assert ground.std(axis=(1, 2)).min() > 1
    assert ground.mean(axis=(1, 2)).std() > 25


def test_spatter_is_gray_on_white_and_on_black() -> None:
    made = corrupted("spatter", box(0, 28, 0, 14))
    on_black = made[:, :, 14:]
    assert set(np.unique(on_black)) <= {0, *range(50, 64)}
    assert 0.08 < np.mean(on_black > 0) < 0.2
    on_white = made[:, :, :14]
    assert set(np.unique(on_white)) <= {*range(63, 103), 255}
    assert 0.08 < np.mean(on_white < 255) < 0.2


def test_dotted_line_is_there_and_not_there_by_two_columns() -> None:
    made = corrupted("dotted_line", box(0, 0, 0, 0))
    inked = made.max(axis=1) > 127
    assert np.array_equal(inked.all(axis=0), [column % 4 > 1 for column in range(27)] + [False])
    assert not made[:, :, np.arange(28) % 4 < 2].any()


def test_zigzag_swings_by_two_to_either_side() -> None:
    made = corrupted("zigzag", box(0, 0, 0, 0))
    assert not made[:, :, :2].any()
    assert not made[:, :, 26:].any()
    in_view = made.max(axis=1)[:, 2:25].min(axis=1) > 180
    turns = made[in_view].argmax(axis=1)[:, 4:25:4]
    swings = np.diff(turns, axis=1) * [-1, 1, -1, 1, -1]
    assert len(swings) > 50
    assert swings.min() >= 2
    assert swings.mean() == pytest.approx(4, abs=0.5)


def test_lines_only_add_light(digits: Digits) -> None:
    for name in ("dotted_line", "zigzag"):
        assert (corrupted(name, digits) >= digits).all()


def test_canny_edges_are_a_white_ring_around_ink() -> None:
    made = corrupted("canny_edges", box(8, 20, 8, 20))[0]
    assert set(np.unique(made)) == {0, 255}
    assert not made[10:18, 10:18].any()
    assert extent(made) in (12, 13, 14)
    assert (made[14] > 0).sum() == (made[:, 14] > 0).sum() == 2
