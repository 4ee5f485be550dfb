"""Pictures that hold no digit, so that a model learns not to be sure of what it does not know.

Signs that may be taken for a digit are left out: they would teach doubt about digits.
"""

from collections.abc import Callable
from contextlib import suppress
from string import ascii_letters

import cv2
import numpy as np

from app.domain.errors import PictureError
from app.domain.predictions import SIDE, Digit
from app.imaging.decoding import GreyPlane
from app.imaging.normalization import normalise
from app.training.augmentation import bent
from app.training.synthetic_images import Dice

_LOOK_LIKE_DIGITS = "OoQDCcIiLlJjSsZzEBbGgqyYTtAher"
_LETTERS = "".join(sorted(set(ascii_letters) - set(_LOOK_LIKE_DIGITS))) + "@%#+=*"
_FONTS = tuple(range(8))  # OpenCV's eight Hershey fonts
_PAGE = 56
_WIDEST_ONE = 8  # columns; what is as narrow may well be meant as a 1
_ORDERS = ((1, 0, 3, 2), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2))


def unlike_any_digit(digit: Digit, dice: Dice) -> Digit:
    """A picture of no digit, as imaging gives it; some are made from pieces of the digit given."""
    while True:
        with suppress(PictureError):
            found = normalise(_MAKERS[dice.integers(len(_MAKERS))](digit, dice))
            if np.count_nonzero(found.any(axis=0)) > _WIDEST_ONE:
                return found


def _letter(_digit: Digit, dice: Dice) -> GreyPlane:
    """A letter or sign drawn by plotter, bent as digits are."""
    page = np.zeros((SIDE, SIDE), dtype=np.uint8)
    sign, font = str(dice.choice(list(_LETTERS))), int(dice.choice(_FONTS))
    font |= cv2.FONT_ITALIC if dice.random() < 0.3 else 0
    thickness = int(dice.integers(1, 4))
    (width, height), _below = cv2.getTextSize(sign, font, 0.75, thickness)
    corner = ((SIDE - width) // 2, (SIDE + height) // 2)
    cv2.putText(page, sign, corner, font, 0.75, 255, thickness, cv2.LINE_AA)
    return bent(page, dice)


def _scribble(_: Digit, dice: Dice) -> GreyPlane:
    """Curved strokes of a pen that goes where it will."""
    page = np.zeros((_PAGE, _PAGE), dtype=np.float32)
    thickness = int(dice.integers(2, 7))
    for _stroke in range(dice.integers(2, 6)):
        turns = np.cumsum(dice.normal(0, dice.uniform(0.1, 0.6), 40)) + dice.uniform(0, 2 * np.pi)
        steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * dice.uniform(1, 2.5)
        points = dice.uniform(0.2, 0.8, 2) * _PAGE + np.cumsum(steps, axis=0)
        cv2.polylines(page, [points.astype(np.int32)], False, 1.0, thickness, cv2.LINE_AA)
    return page


def _noise(_: Digit, dice: Dice) -> GreyPlane:
    """Noise, from grain to blobs, some of it cut off sharply."""
    plane = dice.standard_normal((_PAGE, _PAGE), dtype=np.float32)
    plane = np.asarray(cv2.GaussianBlur(plane, (0, 0), dice.uniform(0.3, 8)), dtype=np.float32)
    if dice.random() < 0.5:
        plane = np.asarray(plane > np.quantile(plane, dice.uniform(0.5, 0.97)), dtype=np.float32)
    lowest, highest = float(plane.min()), float(plane.max())
    return (plane - np.float32(lowest)) / np.float32(max(highest - lowest, 1e-6))


def _jumble(digit: Digit, dice: Dice) -> GreyPlane:
    """A digit's four quarters in another order, left and right changed, some of them turned."""
    half = SIDE // 2
    quarters = [digit[row : row + half, at : at + half] for row in (0, half) for at in (0, half)]
    order = _ORDERS[dice.integers(len(_ORDERS))]
    turned = [np.rot90(quarters[which], 2 * int(dice.integers(2))) for which in order]
    mixed = np.vstack([np.hstack(turned[:2]), np.hstack(turned[2:])])
    return bent(np.ascontiguousarray(mixed), dice)


_MAKERS: tuple[Callable[[Digit, Dice], GreyPlane], ...] = (_letter, _scribble, _noise, _jumble)
