"""Looks at an image until its digit is large enough, with a network that marks what is dark."""

import numpy as np
import numpy.typing as npt
import pytest

from app.imaging.ink_finder import PAGE_SIDES, Look, find_ink
from app.imaging.page import PADDING, VIEW_SIDE, ColorImage
from tests.conftest import GoldenSet

CONTENTS = np.array([[0.1, 0.8, 0.1]], np.float32)


class DarkInk:
    """Marks dark pixels as ink; counts its calls."""

    def __init__(self) -> None:
        self.sides: list[int] = []

    def __call__(
        self, views: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        self.sides.append(views.shape[1])
        return np.clip(2 - views.mean(axis=3) / 60, 0, 1).astype(np.float32), CONTENTS


def page_with(digit: npt.NDArray[np.uint8], side: int, left: int, top: int) -> ColorImage:
    """Return a white page (side, side, 3) with a digit in dark ink."""
    page = np.full((side, side, 3), 255, np.uint8)
    page[top : top + 28, left : left + 28] -= np.minimum(digit, 250)[..., None]
    return page


def overlap(look: Look, page: ColorImage) -> float:
    """Return which share of a page's dark pixels lies in the region of a look."""
    region, dark = look.region, page.mean(axis=2) < 90
    inside = dark[region.top : region.top + region.height, region.left : region.left + region.width]
    return float(inside.sum() / dark.sum())


@pytest.mark.parametrize(
    ("side", "looks"),
    [
        (40, [VIEW_SIDE]),
        (200, [VIEW_SIDE, VIEW_SIDE]),
        (900, [*PAGE_SIDES, VIEW_SIDE]),
    ],
)
def test_a_digit_is_looked_at_more_closely_until_it_is_large_enough(
    golden: GoldenSet, side: int, looks: list[int]
) -> None:
    model, page = DarkInk(), page_with(golden.digits[0], side, side // 4, side // 5)
    look = find_ink(page, model)
    assert model.sides == looks
    assert overlap(look, page) == 1
    assert look.is_close
    assert np.array_equal(look.contents, CONTENTS[0])


def test_nothing_is_found_on_an_empty_page() -> None:
    model = DarkInk()
    look = find_ink(np.full((900, 100, 3), 255, np.uint8), model)
    assert look.box is None
    assert not look.ink.any()
    assert model.sides == list(PAGE_SIDES)


def test_ink_outside_of_the_page_is_ignored() -> None:
    def mark_everything(
        views: npt.NDArray[np.uint8],
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        assert (views[0, 0] == PADDING).all()
        return np.ones(views.shape[:3], np.float32), CONTENTS

    look = find_ink(np.zeros((48, 96, 3), np.uint8), mark_everything)
    assert look.ink.sum() == 48 * 96
    assert not look.ink[:24].any()


def test_small_pieces_beside_the_digit_are_removed(golden: GoldenSet) -> None:
    page = page_with(golden.digits[0], 40, 8, 8)
    clean = find_ink(page, DarkInk())
    page[2:4, 2:4] = 0
    assert np.array_equal(find_ink(page, DarkInk()).ink, clean.ink)
