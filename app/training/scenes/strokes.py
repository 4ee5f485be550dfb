"""The ink of a digit as pens, pencils, brushes and markers leave it."""

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from app.domain.predictions import IMAGE_SIZE, DigitImage
from app.imaging.page import crop_to
from app.training.scenes.surfaces import Field, blur

Coverage = Field  # 0..1: how much of a pixel is covered

_WORK_SIDE = 112  # pixels of the enlarged digit of which the middle line is taken
_MARGIN = 0.3  # of the digit's longer side, around it, for rotation and thick pens
_SKELETON_PROBABILITY = 0.5
_PEN_WIDTHS = (0.009, 0.13)  # of the digit's longer side
_BLURRED = 0.012  # what blurring adds to the distance from a line, on the line itself
_ROTATION_DEGREES, _SHEARING, _STRETCHING = 15.0, 0.2, 0.15


def draw_digit(digit: DigitImage, longer_side: float, rng: Generator) -> Coverage:
    """Return the ink of a digit, of about so many pixels a side, in the box around it.

    The digit is light on dark; half of the time its middle line is drawn anew with a pen.
    """
    box = _crop(digit)
    distance = _signed_distance(box, rng)
    side = max(4, round(longer_side))
    return _tight(_render(distance, side, rng))


def _crop(digit: DigitImage) -> Coverage:
    """Crop to the ink, enlarge to the work size and add a margin; float32 in 0..1."""
    box = crop_to(digit, digit > 30).astype(np.float32) / np.float32(255)
    height, width = box.shape
    scale = _WORK_SIDE / max(width, height)
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    enlarged = cv2.resize(box, size, interpolation=cv2.INTER_CUBIC)
    padded = np.pad(np.asarray(enlarged, np.float32), round(_MARGIN * _WORK_SIDE))
    return blur(padded, _WORK_SIDE / IMAGE_SIZE * 0.4)


def _signed_distance(box: Coverage, rng: Generator) -> Coverage:
    """Return the distance to the stroke's edge in shares of the digit's side; negative inside."""
    stroke = (box > rng.uniform(0.35, 0.6) * box.max()).view(np.uint8)
    if rng.random() < _SKELETON_PROBABILITY:
        to_line = _distance_to(skeleton(stroke))
        low, high = np.log(_PEN_WIDTHS)
        radius = np.exp(rng.uniform(low, high)) / 2
        return np.asarray(blur(to_line, 1.5) - (radius + _BLURRED), np.float32)
    inside = _distance_to(1 - stroke)
    signed = blur(_distance_to(stroke) - inside, 1.0)
    thickness = min(float(inside.max()), 0.05)
    grown = rng.uniform(-0.5, 0.7) * thickness if rng.random() < 0.5 else 0.0
    return np.asarray(signed - np.float32(grown), np.float32)


def _distance_to(pixels: npt.NDArray[np.uint8]) -> Coverage:
    """Return the distance to the next set pixel, in shares of the digit's side."""
    return cv2.distanceTransform(1 - pixels, cv2.DIST_L2, 5) / np.float32(_WORK_SIDE)


def skeleton(stroke: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the middle line of a stroke, a pixel wide (thinning: Zhang and Suen 1984)."""
    image = np.pad(stroke, 1).astype(bool)
    while True:
        changed = False
        for first in (True, False):
            removed = _removable(image, first=first)
            if removed.any():
                image[1:-1, 1:-1] &= ~removed
                changed = True
        if not changed:
            return image[1:-1, 1:-1].astype(np.uint8)


def _removable(image: npt.NDArray[np.bool_], *, first: bool) -> npt.NDArray[np.bool_]:
    """Return which pixels an iteration of the thinning removes; the image has a border of 1."""
    center = image[1:-1, 1:-1]
    around = [
        image[:-2, 1:-1],
        image[:-2, 2:],
        image[1:-1, 2:],
        image[2:, 2:],
        image[2:, 1:-1],
        image[2:, :-2],
        image[1:-1, :-2],
        image[:-2, :-2],
    ]
    north, east, south, west = around[0], around[2], around[4], around[6]
    count = np.sum(around, axis=0, dtype=np.uint8)
    turns = np.sum(
        [~here & after for here, after in zip(around, around[1:] + around[:1], strict=True)],
        axis=0,
        dtype=np.uint8,
    )
    if first:
        kept = (north & east & south) | (east & south & west)
    else:
        kept = (north & east & west) | (north & south & west)
    return np.asarray(center & (count >= 2) & (count <= 6) & (turns == 1) & ~kept, dtype=bool)


def _render(distance: Coverage, side: int, rng: Generator) -> Coverage:
    """Rotate, shear and scale a distance field so that _WORK_SIDE becomes `side`; ink it."""
    height, width = distance.shape
    scale = side / _WORK_SIDE
    angle = np.deg2rad(rng.uniform(-_ROTATION_DEGREES, _ROTATION_DEGREES))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, rng.uniform(-_SHEARING, _SHEARING)], [0, 1]])
    stretch = rng.uniform(1 - _STRETCHING, 1 + _STRETCHING, 2)
    matrix = scale * (turn @ shear) * stretch
    size = (max(2, round(1.3 * width * scale)), max(2, round(1.3 * height * scale)))
    offset = np.array(size) / 2 - matrix @ (np.array([width, height]) / 2)
    moved = cv2.warpAffine(
        distance,
        np.column_stack([matrix, offset]),
        size,
        flags=cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=1.0,
    )
    return np.asarray(np.clip(0.5 - moved * side, 0, 1), dtype=np.float32)


def _tight(ink: Coverage) -> Coverage:
    return crop_to(ink, ink > 0.05)
