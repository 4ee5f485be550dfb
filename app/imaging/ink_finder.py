"""Find the digit of an image with the ink network: look at all of it, then closer at the ink.

The first look sees the whole page reduced to a view, in which a small digit is a few pixels; each
further look sees the part around the ink that the one before it marked, until the digit is large
enough to be read.
"""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from app.imaging.page import VIEW_SIDE, ColorImage, Region, around, bounding_region, crop, view

MAX_LOOKS = 3
_WIDE_SIDE, _WIDE_FROM = 2 * VIEW_SIDE, 400  # pixels; larger pages get a finer first look
_MIN_INK = 0.5  # the probability from which a pixel is ink
_MIN_PIECE_SHARE = 0.1  # of the largest piece's ink; smaller pieces are dirt
_FILL_SHARE = 0.65  # of a closer view's side that the digit fills
_LARGE_ENOUGH = 36  # pixels of a view's 96 that a digit's longer side takes
_KERNEL = np.ones((3, 3), np.uint8)

Probabilities = npt.NDArray[np.float32]


class InkModel(Protocol):
    """The ink network."""

    def __call__(self, views: npt.NDArray[np.uint8]) -> tuple[Probabilities, Probabilities]:
        """Return ink (n, side, side) and contents (n, 3) of views uint8 (n, side, side, 3)."""


@dataclass(frozen=True)
class Look:
    """A region of an image, the ink in its view float32 (side, side), and contents (3,)."""

    region: Region
    ink: Probabilities
    contents: Probabilities

    @property
    def box(self) -> Region | None:
        """The smallest rectangle around the ink, in the view's pixels."""
        return bounding_region(self.ink > _MIN_INK)


def find_ink(image: ColorImage, model: InkModel) -> Look:
    """Return the last look at an image; its ink is all zero if nothing was found."""
    side = _WIDE_SIDE if max(image.shape) > _WIDE_FROM else VIEW_SIDE
    region = Region(0, 0, image.shape[1], image.shape[0])
    for _ in range(MAX_LOOKS):
        look, scale, offset = _look(image, region, side, model)
        box = look.box
        if box is None or (side == VIEW_SIDE and max(box.width, box.height) >= _LARGE_ENOUGH):
            break
        found = Region(
            round(region.left + (box.left - offset[0]) / scale),
            round(region.top + (box.top - offset[1]) / scale),
            max(1, round(box.width / scale)),
            max(1, round(box.height / scale)),
        )
        region, side = around(found, _FILL_SHARE, image.shape), VIEW_SIDE
    return look


def _look(
    image: ColorImage, region: Region, side: int, model: InkModel
) -> tuple[Look, float, tuple[int, int]]:
    """Look at a region; return also the scale and the offset of its view."""
    seen, inside = view(crop(image, region), side)
    ink, contents = model(seen[None])
    marked = np.zeros_like(ink[0])
    rows = slice(inside.top, inside.top + inside.height)
    columns = slice(inside.left, inside.left + inside.width)
    marked[rows, columns] = ink[0][rows, columns]
    scale = max(inside.width, inside.height) / max(region.width, region.height)
    return Look(region, _keep_digits(marked), contents[0]), scale, (inside.left, inside.top)


def _keep_digits(ink: Probabilities) -> Probabilities:
    """Remove pieces of ink that are small beside the largest, and what touches no ink."""
    mask = (ink > _MIN_INK).view(np.uint8)
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    if count == 1:
        return np.zeros_like(ink)
    masses = np.bincount(labels.ravel(), ink.ravel(), count)
    masses[0] = 0
    kept = (masses >= _MIN_PIECE_SHARE * masses.max())[labels] & (labels > 0)
    touched = cv2.dilate(kept.view(np.uint8), _KERNEL)
    return np.asarray(cv2.copyTo(ink, touched), dtype=np.float32)
