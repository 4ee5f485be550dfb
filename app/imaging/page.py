"""Views of a page: what the ink network sees of an image, all of it or a part."""

from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

VIEW_SIDE = 96
PADDING = 128  # gray, around an image that is not square

ColorImage = npt.NDArray[np.uint8]  # (height, width, 3), RGB
GrayLevels = npt.NDArray[np.uint8]  # (height, width)
GrayImage = npt.NDArray[np.float32]  # (height, width), 0..1
Mask = npt.NDArray[np.bool_]  # (height, width)

_Pixel = TypeVar("_Pixel", np.uint8, np.float32)


class Region(NamedTuple):
    """A rectangle of an image, in its pixels."""

    left: int
    top: int
    width: int
    height: int


def view(image: ColorImage, side: int = VIEW_SIDE) -> tuple[ColorImage, Region]:
    """Scale an image to fit into a square of such a side; return it padded, and where it is."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(image, size, interpolation=method)
    square = np.full((side, side, *image.shape[2:]), PADDING if image.ndim == 3 else 0, image.dtype)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    square[top : top + size[1], left : left + size[0]] = scaled
    return square, Region(left, top, *size)


def around(box: Region, share: float, shape: tuple[int, ...]) -> Region:
    """Return the square around a box of which the box's longer side is such a share.

    It is cut to an image of this shape.
    """
    half = max(box.width, box.height) / share / 2
    x, y = box.left + box.width / 2, box.top + box.height / 2
    left, top = max(0, round(x - half)), max(0, round(y - half))
    right, bottom = min(shape[1], round(x + half)), min(shape[0], round(y + half))
    return Region(left, top, max(1, right - left), max(1, bottom - top))


def bounding_region(mask: Mask) -> Region | None:
    """Return the smallest rectangle around the set pixels; None if none is."""
    region = Region(*cv2.boundingRect(mask.view(np.uint8)))
    return region if region.width else None


def crop_to(image: npt.NDArray[_Pixel], mask: Mask) -> npt.NDArray[_Pixel]:
    """Return the part of an image around a mask's set pixels; all of it if none is."""
    region = bounding_region(mask)
    return image if region is None else crop(image, region)


def to_levels(gray: GrayImage) -> GrayLevels:
    """Return gray values in 0..1 as levels in 0..255; values outside are clipped."""
    return np.rint(np.clip(gray, 0, 1) * 255).astype(np.uint8)


def crop(image: npt.NDArray[_Pixel], region: Region) -> npt.NDArray[_Pixel]:
    """Return a part of an image."""
    rows = slice(region.top, region.top + region.height)
    return image[rows, region.left : region.left + region.width]
