"""Normalization of a digit's ink to the 28x28 digit image that the models expect.

The models were trained on MNIST's convention: light ink on a dark background, fitted into 20x20 and
centered by mass in 28x28. Training and serving share what is here.
"""

from operator import mul

import cv2
import numpy as np
import numpy.typing as npt

from app.domain.errors import NoDigit
from app.domain.predictions import IMAGE_SIZE, DigitImage
from app.imaging.page import GrayImage, GrayLevels

# On images of this size threads cost twice what they save; requests have threads of their own.
cv2.setNumThreads(1)

FIT_SIDE = 20

_KERNEL_3X3 = np.ones((3, 3), np.uint8)
_POSITIONS = range(FIT_SIDE)

MIN_INK_SHARE = 0.3  # of the strongest ink; fainter pixels are not part of a stroke
_MIN_CONTRAST = 26  # gray levels; an image with less contrast is not plain
_BLANK_CONTRAST = 2  # gray levels; an image with no more than that is blank
_SAME_GROUND = 5  # gray levels from the ground that are still the ground
_MAX_INKED_EDGE = 0.4  # of the edge pixels, which a digit that was cropped close touches
_MAX_STEP = 0.6  # of the contrast, between the means of two rows or columns side by side
_MAX_OTHER_POLARITY = 0.15  # of the strongest ink; how much may be on the ground's other side
_MAX_SPECK_SHARE = 0.03  # of the largest piece's area; smaller pieces are dirt
_MAX_PIECES = 5  # of ink, specks included
_MIN_BESIDE = 0.5  # of the ink's height; a lower piece beside another belongs to it
_MIN_ABOVE = 0.25  # of the ink's height; a lower piece above another belongs to it
_MIN_STACKED_ASPECT = 1.3  # height over width; with less it is one digit, in any number of pieces
_CORNERS = 4  # of a box
_MAX_ASPECT = 1.6  # width over height; something wider may be two digits
_MAX_FILL = 0.85  # of its box; what fills more of it is no stroke
_MAX_SHEET_FILL = 0.6  # the same if it has a straight edge, as a sheet with a digit on it has
_MIN_FILL_ASPECT = 0.5  # width over height; a narrower 1 fills its box


def normalize_plain(gray: GrayLevels) -> DigitImage | None:
    """Return the digit of a plain image as `normalize_ink` does; None if it is not plain.

    Plain is an image of one digit's ink on an even ground and of nothing else. Whatever is not
    needs the ink network. Raises NoDigit for a blank image.
    """
    gray = _enlarge_tiny(gray)
    ink = _ink_on_even_ground(gray)
    if ink is None:
        return None
    peak = int(ink.max())
    strokes = _single_piece((ink > MIN_INK_SHARE * peak).view(np.uint8))
    if strokes is None:
        return None
    left, top, width, height = cv2.boundingRect(strokes)
    box = slice(top, top + height), slice(left, left + width)
    if np.count_nonzero(strokes[box][:: height - 1 or 1, :: width - 1 or 1]) == _CORNERS:
        return None  # a sheet, whatever is on it
    touched = cv2.copyTo(ink[box], cv2.dilate(strokes[box], _KERNEL_3X3))
    return normalize_ink(np.asarray(touched, np.float32) / np.float32(peak))


def normalize_ink(box: GrayImage) -> DigitImage:
    """Return a digit's ink in 0..1, cropped to its box, fitted into 20x20 and centered in 28x28."""
    return _center_by_mass(_fit_to_box(box))


def may_be_several(pieces: npt.NDArray[np.int32], min_gap: float) -> bool:
    """Return whether two pieces may be digits, side by side or one above the other.

    `pieces` (n, 5) are OpenCV's statistics of connected components; the gap between digits is
    relative to the height of all. Of a digit in pieces (a 5 with a loose bar, an open 4) no two are
    large enough.
    """
    left, top, width, height, _ = pieces.T
    total_width = (left + width).max() - left.min()
    total_height = (top + height).max() - top.min()
    shorter, gap = np.minimum.outer(height, height), min_gap * total_height
    beside = np.subtract.outer(left, left + width) >= gap
    above = np.subtract.outer(top, top + height) >= gap
    is_tall = total_height > _MIN_STACKED_ASPECT * total_width
    return bool(
        np.any(beside & (shorter >= _MIN_BESIDE * total_height))
        or (is_tall and np.any(above & (shorter >= _MIN_ABOVE * total_height)))
    )


def to_model_input(digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Convert uint8 digits (..., 28, 28) to the models' input: float32 (n, 1, 28, 28) in 0..1."""
    return digits.reshape(-1, 1, IMAGE_SIZE, IMAGE_SIZE).astype(np.float32) / np.float32(255)


def _enlarge_tiny(gray: GrayLevels) -> GrayLevels:
    """Enlarge an image of less than 28 pixels a side to that."""
    longer = max(gray.shape)
    if longer >= IMAGE_SIZE:
        return gray
    height, width = (max(1, round(side * IMAGE_SIZE / longer)) for side in gray.shape)
    return np.asarray(cv2.resize(gray, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _ink_on_even_ground(gray: GrayLevels) -> GrayLevels | None:
    """Return each pixel's difference from the ground; None if the ground is not even.

    Raises NoDigit for a blank image.
    """
    lowest, highest, _, _ = cv2.minMaxLoc(gray)
    if highest - lowest <= _BLANK_CONTRAST:
        raise NoDigit("There is no digit in the image")
    edge = np.concatenate((gray[0], gray[-1], gray[1:-1, 0], gray[1:-1, -1]))
    is_even = edge.min() == edge.max()  # as around most digits: a shortcut
    ground = edge[0] if is_even else np.sort(edge)[edge.size // 2]
    lighter, darker = highest - int(ground), int(ground) - lowest
    if max(lighter, darker) < _MIN_CONTRAST:
        return None
    if min(lighter, darker) > max(_SAME_GROUND, _MAX_OTHER_POLARITY * max(lighter, darker)):
        return None
    is_light = lighter > darker
    if not is_even:
        threshold = MIN_INK_SHARE * max(lighter, darker)
        inked = _difference(edge, ground, is_light=is_light) > threshold
        if np.count_nonzero(inked) > _MAX_INKED_EDGE * edge.size or _has_straight_edge(gray):
            return None  # a bar, a border or a shadow
    return _difference(gray, ground, is_light=is_light)


def _has_straight_edge(gray: GrayLevels) -> bool:
    """Return whether the gray changes at once along nearly a whole row or column."""
    limit = _MAX_STEP * int(np.ptp(gray))
    return any(np.abs(np.diff(gray.mean(axis=axis))).max(initial=0) > limit for axis in (0, 1))


def _difference(gray: GrayLevels, ground: np.uint8, *, is_light: bool) -> GrayLevels:
    """Return how much lighter, or darker, than the ground each pixel is."""
    difference = (
        np.maximum(gray, ground) - ground if is_light else ground - np.minimum(gray, ground)
    )
    return np.asarray(difference, np.uint8)


def _single_piece(mask: GrayLevels) -> GrayLevels | None:
    """Return the mask of the one digit, without specks; None if unsure that it is one."""
    _, labels, pieces, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = pieces[1:, cv2.CC_STAT_AREA]
    main = int(areas.argmax())
    width, height = pieces[main + 1, cv2.CC_STAT_WIDTH], pieces[main + 1, cv2.CC_STAT_HEIGHT]
    fill = areas[main] / (width * height)
    if width > _MAX_ASPECT * height or areas[main] < 2:
        return None
    if width > _MIN_FILL_ASPECT * height and (
        fill > _MAX_FILL or (fill > _MAX_SHEET_FILL and _has_straight_edge(mask))
    ):
        return None
    if len(areas) == 1:
        return mask  # as most digits are
    kept = pieces[:, cv2.CC_STAT_AREA] >= max(2, _MAX_SPECK_SHARE * areas[main])
    kept[0] = False  # the ground
    if len(areas) > _MAX_PIECES or may_be_several(pieces[kept], 0):
        return None
    strokes: GrayLevels = kept[labels].view(np.uint8)
    return strokes


def _fit_to_box(box: GrayImage) -> GrayImage:
    """Scale the longer side to 20 pixels and the strongest ink to 1."""
    longer = max(box.shape)
    if longer != FIT_SIDE:
        height, width = (max(1, round(side * FIT_SIDE / longer)) for side in box.shape)
        method = cv2.INTER_AREA if longer > FIT_SIDE else cv2.INTER_LINEAR
        box = np.asarray(cv2.resize(box, (width, height), interpolation=method), np.float32)
    _, peak, _, _ = cv2.minMaxLoc(box)
    return box / max(peak, 1e-6)


def _center_by_mass(fitted: GrayImage) -> DigitImage:
    """Place a box of at most 20x20 on 28x28, its center of mass in the middle."""
    height, width = fitted.shape
    mass = float(fitted.sum())
    row = sum(map(mul, fitted.sum(axis=1).tolist(), _POSITIONS)) / mass
    column = sum(map(mul, fitted.sum(axis=0).tolist(), _POSITIONS)) / mass
    top = _clamp(round(IMAGE_SIZE / 2 - row), IMAGE_SIZE - height)
    left = _clamp(round(IMAGE_SIZE / 2 - column), IMAGE_SIZE - width)
    digit = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    digit[top : top + height, left : left + width] = cv2.convertScaleAbs(fitted, alpha=255)
    return digit


def _clamp(value: int, highest: int) -> int:
    return min(max(value, 0), highest)
