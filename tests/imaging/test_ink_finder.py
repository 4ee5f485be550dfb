"""Looks at an image until its digit is large enough, with a network that marks what is dark."""

import numpy as np
import numpy.typing as npt
import pytest

from app.imaging.ink_finder import MAX_LOOKS, Look, find_ink
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
        return np.clip(3 - views.mean(axis=3) / 80, 0, 1).astype(np.float32), CONTENTS


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


@pytest.mark.parametrize(("side", "looks"), [(40, 1), (200, 2), (900, 2)])
def test_a_digit_is_looked_at_more_closely_until_it_is_large_enough(
    golden: GoldenSet, side: int, looks: int
) -> None:
    model, page = DarkInk(), page_with(golden.digits[0], side, side // 4, side // 5)
    look = find_ink(page, model)
    assert len(model.sides) == looks
    assert overlap(look, page) == 1
    assert look.box is not None
    assert max(look.box.width, look.box.height) >= 30
    assert np.array_equal(look.contents, CONTENTS[0])


def test_the_first_look_at_a_large_page_is_finer(golden: GoldenSet) -> None:
    model = DarkInk()
    find_ink(page_with(golden.digits[0], 900, 100, 700), model)
    assert model.sides == [2 * VIEW_SIDE] + [VIEW_SIDE] * (len(model.sides) - 1)
    assert len(model.sides) <= MAX_LOOKS


def test_nothing_is_found_on_an_empty_page() -> None:
    look = find_ink(np.full((200, 100, 3), 255, np.uint8), DarkInk())
    assert look.box is None
    assert not look.ink.any()


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
