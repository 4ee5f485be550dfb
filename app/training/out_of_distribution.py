"""Images without a digit, so that a model learns low confidence on unknown input.

Characters that look like digits are excluded: they would lower the confidence on digits.
"""

from collections.abc import Callable
from contextlib import suppress
from string import ascii_letters

import cv2
import numpy as np
from numpy.random import Generator

from app.domain.errors import ImageError
from app.domain.predictions import IMAGE_SIZE, DigitImage
from app.imaging.page import GrayImage, to_levels
from app.imaging.preprocessing import preprocess_gray
from app.training.augmentation import warp

_DIGIT_LIKE_LETTERS = "OoQDCcIiLlJjSsZzEBbGgqyYTtAher"
_LETTERS = "".join(sorted(set(ascii_letters) - set(_DIGIT_LIKE_LETTERS))) + "@%#+=*"
_FONTS = tuple(range(8))  # OpenCV's eight Hershey fonts
_PAGE_SIDE = 56
_MAX_WIDTH_OF_ONE = 8  # columns; something this narrow may be a 1
_QUARTER_ORDERS = ((1, 0, 3, 2), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2))


def make_non_digit(digit: DigitImage, rng: Generator) -> DigitImage:
    """Return a preprocessed image of no digit; some are made from pieces of the given digit."""
    while True:
        with suppress(ImageError):
            gray = to_levels(_FUNCTIONS[rng.integers(len(_FUNCTIONS))](digit, rng))
            found = preprocess_gray(gray).digit
            if np.count_nonzero(found.any(axis=0)) > _MAX_WIDTH_OF_ONE:
                return found


def _letter(_digit: DigitImage, rng: Generator) -> GrayImage:
    """Draw a letter or sign in a plotter font, warped as digits are."""
    page = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    sign, font = str(rng.choice(list(_LETTERS))), int(rng.choice(_FONTS))
    font |= cv2.FONT_ITALIC if rng.random() < 0.3 else 0
    thickness = int(rng.integers(1, 4))
    (width, height), _below = cv2.getTextSize(sign, font, 0.75, thickness)
    corner = ((IMAGE_SIZE - width) // 2, (IMAGE_SIZE + height) // 2)
    cv2.putText(page, sign, corner, font, 0.75, 255, thickness, cv2.LINE_AA)
    return warp(page, rng)


def _scribble(_: DigitImage, rng: Generator) -> GrayImage:
    """Draw random curved strokes."""
    page = np.zeros((_PAGE_SIDE, _PAGE_SIDE), dtype=np.float32)
    thickness = int(rng.integers(2, 7))
    for _stroke in range(rng.integers(2, 6)):
        turns = np.cumsum(rng.normal(0, rng.uniform(0.1, 0.6), 40)) + rng.uniform(0, 2 * np.pi)
        steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * rng.uniform(1, 2.5)
        points = rng.uniform(0.2, 0.8, 2) * _PAGE_SIDE + np.cumsum(steps, axis=0)
        cv2.polylines(page, [points.astype(np.int32)], False, 1.0, thickness, cv2.LINE_AA)
    return page


def _noise(_: DigitImage, rng: Generator) -> GrayImage:
    """Draw noise, from grain to blobs, half of it thresholded."""
    gray = rng.standard_normal((_PAGE_SIDE, _PAGE_SIDE), dtype=np.float32)
    gray = np.asarray(cv2.GaussianBlur(gray, (0, 0), rng.uniform(0.3, 8)), dtype=np.float32)
    if rng.random() < 0.5:
        gray = np.asarray(gray > np.quantile(gray, rng.uniform(0.5, 0.97)), dtype=np.float32)
    lowest, highest = float(gray.min()), float(gray.max())
    return (gray - np.float32(lowest)) / np.float32(max(highest - lowest, 1e-6))


def _jumble(digit: DigitImage, rng: Generator) -> GrayImage:
    """Rearrange a digit's four quarters, some of them rotated."""
    half = IMAGE_SIZE // 2
    quarters = [digit[row : row + half, at : at + half] for row in (0, half) for at in (0, half)]
    order = _QUARTER_ORDERS[rng.integers(len(_QUARTER_ORDERS))]
    turned = [np.rot90(quarters[which], 2 * int(rng.integers(2))) for which in order]
    mixed = np.vstack([np.hstack(turned[:2]), np.hstack(turned[2:])])
    return warp(np.ascontiguousarray(mixed), rng)


_FUNCTIONS: tuple[Callable[[DigitImage, Generator], GrayImage], ...] = (
    _letter,
    _scribble,
    _noise,
    _jumble,
)
