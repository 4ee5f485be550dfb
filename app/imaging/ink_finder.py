"""Find the digit of an image with the ink network: look at all of it, then closer at the ink.

The first look sees the whole page reduced to a view, a finer one if nothing is certain in it, since
a small digit may be less than a pixel. Each further look sees the part around the ink that the one
before it marked, until the digit is large enough to be read.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from app.imaging.page import VIEW_SIDE, ColorImage, Region, around, bounding_region, crop, view

PAGE_SIDES = (VIEW_SIDE, 2 * VIEW_SIDE, 4 * VIEW_SIDE)  # of views of the whole page
MAX_CLOSER_LOOKS = 2
_CERTAIN = 0.6  # the probability of some pixel from which no finer view of the page is needed
_MIN_INK = 0.15  # the probability from which a pixel may be ink
_MIN_RELATIVE_INK = 0.4  # the same relative to the most probable pixel
_MIN_PIECE_SHARE = 0.1  # of the largest piece's ink; smaller pieces are dirt
_FILL_SHARE = 0.65  # of a closer view's side that the digit fills
_MARGIN = 1.5  # pixels of a view: how exactly it shows where the ink ends
_LARGE_ENOUGH = 36  # pixels of a view's 96 that a digit's longer side takes
_KERNEL = np.ones((3, 3), np.uint8)

Probabilities = npt.NDArray[np.float32]


class Content(IntEnum):
    """How many digits an image has, in the order of the ink network's output."""

    NONE = 0
    ONE = 1
    SEVERAL = 2


class InkModel(Protocol):
    """The ink network."""

    def __call__(self, views: npt.NDArray[np.uint8]) -> tuple[Probabilities, Probabilities]:
        """Return ink (n, side, side) and contents (n, 3) of views uint8 (n, side, side, 3)."""


@dataclass(frozen=True)
class Look:
    """A region of an image, where it is in the view, the ink float32 (side, side), contents (3,).

    `box` is the smallest rectangle around the ink, in the view's pixels; None if there is none.
    """

    region: Region
    inside: Region
    ink: Probabilities
    contents: Probabilities
    box: Region | None

    @property
    def is_close(self) -> bool:
        """Whether the ink is large enough to be read."""
        is_large = self.box is not None and max(self.box.width, self.box.height) >= _LARGE_ENOUGH
        return is_large and len(self.ink) == VIEW_SIDE

    @property
    def found(self) -> Region:
        """The rectangle around the ink in the image's pixels, as exactly as the view shows it."""
        assert self.box is not None  # noqa: S101  for the type checker
        scale = max(self.region.width, self.region.height) / max(
            self.inside.width, self.inside.height
        )
        left, top = self.box.left - self.inside.left, self.box.top - self.inside.top
        return Region(
            round(self.region.left + (left - _MARGIN) * scale),
            round(self.region.top + (top - _MARGIN) * scale),
            round((self.box.width + 2 * _MARGIN) * scale),
            round((self.box.height + 2 * _MARGIN) * scale),
        )


def find_ink(image: ColorImage, model: InkModel) -> Look:
    """Return the last look at an image; its ink is all zero if nothing was found."""
    look = _look_at_page(image, model)
    for _ in range(MAX_CLOSER_LOOKS):
        if look.box is None or look.is_close:
            break
        look = _look(image, around(look.found, _FILL_SHARE, image.shape), VIEW_SIDE, model)
    return look


def _look_at_page(image: ColorImage, model: InkModel) -> Look:
    """Return a look at the whole image, the one that is most certain of some ink."""
    page, looks = Region(0, 0, image.shape[1], image.shape[0]), list[Look]()
    for side in PAGE_SIDES:
        looks.append(_look(image, page, side, model))
        if looks[-1].ink.max() >= _CERTAIN or side >= max(page.width, page.height):
            break
    return max(looks, key=lambda look: look.ink.max())


def _look(image: ColorImage, region: Region, side: int, model: InkModel) -> Look:
    seen, inside = view(crop(image, region), side)
    ink, contents = model(seen[None])
    marked = np.zeros_like(ink[0])
    rows = slice(inside.top, inside.top + inside.height)
    columns = slice(inside.left, inside.left + inside.width)
    marked[rows, columns] = ink[0][rows, columns]
    digits, box = _keep_digits(marked)
    return Look(region, inside, digits, contents[0], box)


def _keep_digits(ink: Probabilities) -> tuple[Probabilities, Region | None]:
    """Remove pieces of ink that are small beside the largest, and what touches no ink.

    Return also the smallest rectangle around what is kept.
    """
    mask = (ink > max(_MIN_INK, _MIN_RELATIVE_INK * ink.max())).view(np.uint8)
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    if count == 1:
        return np.zeros_like(ink), None
    masses = np.bincount(labels.ravel(), ink.ravel(), count)
    masses[0] = 0
    kept = (masses >= _MIN_PIECE_SHARE * masses.max())[labels] & (labels > 0)
    touched = cv2.dilate(kept.view(np.uint8), _KERNEL)
    return np.asarray(cv2.copyTo(ink, touched), dtype=np.float32), bounding_region(kept)
