"""Normalization of a gray image to the 28x28 digit image that the models expect.

Training and serving share it. The models were trained on MNIST's convention: light ink on a dark
background, fitted into 20x20 and centered by mass in 28x28. `preprocess` converts any image to it.
"""

from collections.abc import Callable, Sequence
from operator import mul
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from app.domain.errors import ImageError, MultipleDigits, NoDigit
from app.domain.predictions import IMAGE_SIZE, DigitImage
from app.imaging.background import MIN_CONTRAST, Mask, bounding_box, remove_background
from app.imaging.decoding import (
    GrayImage,
    decode,
    is_small_png,
    resize,
    resize_to_working_size,
)

# On images of this size threads cost twice what they save; requests have threads of their own.
cv2.setNumThreads(1)

FIT_SIDE = 20

_Input = TypeVar("_Input")
_Output = TypeVar("_Output")

_KERNEL_3X3 = np.ones((3, 3), np.uint8)
_POSITIONS = range(FIT_SIDE)

_MIN_INK_SHARE = 0.3  # of the strongest ink; fainter pixels are not part of a stroke
_MIN_GAP_SHARE = 0.12  # of the total height; separate digits are at least this far apart
_MIN_BESIDE_HEIGHT = 0.65  # of the total height; a smaller piece beside another belongs to it
_MIN_ABOVE_HEIGHT = 0.35  # of the total height; a smaller piece above another belongs to it
_MIN_STACKED_ASPECT = 1.5  # height over width; with less it is one digit, in any number of pieces
_MAX_SPECK_SHARE = 0.03  # of the largest piece's area; smaller pieces are dirt


def preprocess(image_bytes: bytes) -> DigitImage:
    """Decode an image file and return its one digit as `normalize` does.

    Raises UnreadableImage, ImageTooLarge, NoDigit or SeveralDigits.
    """
    return normalize(decode(image_bytes))


def preprocess_many(
    files: Sequence[bytes], decode_large: Callable[[bytes], GrayImage]
) -> list[DigitImage | ImageError]:
    """Preprocess many image files independently; return a digit image or an error for each.

    Small PNG files are decoded here, all before any is normalized, which takes less time than
    alternating. The others are decoded with `decode_large`, one after the other.
    """
    grays = [_result_or_error(decode, each) if is_small_png(each) else None for each in files]
    return [
        _normalize_or_error(_result_or_error(decode_large, each) if gray is None else gray)
        for each, gray in zip(files, grays, strict=True)
    ]


def _normalize_or_error(gray: GrayImage | ImageError) -> DigitImage | ImageError:
    return gray if isinstance(gray, ImageError) else _result_or_error(normalize, gray)


def _result_or_error(step: Callable[[_Input], _Output], argument: _Input) -> _Output | ImageError:
    try:
        return step(argument)
    except ImageError as error:
        return error


def normalize(gray: GrayImage) -> DigitImage:
    """Find the one digit in a gray image in 0..1; return it as uint8 (28, 28), ink light.

    Raises NoDigit if nothing contrasts with the background, SeveralDigits if there are two.
    """
    ink = remove_background(resize_to_working_size(gray))
    _, peak, _, _ = cv2.minMaxLoc(ink)
    if peak < MIN_CONTRAST:
        raise NoDigit("There is no digit in the image")
    strokes = _digit_mask(ink > _MIN_INK_SHARE * peak)
    return _center_by_mass(_fit_to_box(_crop_to_digit(ink, strokes) / peak))


def to_model_input(digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Convert uint8 digits (..., 28, 28) to the models' input: float32 (n, 1, 28, 28) in 0..1."""
    return digits.reshape(-1, 1, IMAGE_SIZE, IMAGE_SIZE).astype(np.float32) / np.float32(255)


def _digit_mask(mask: Mask) -> Mask:
    """Return the mask of the pieces that form the digit, without specks; reject two digits."""
    _, labels, pieces, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = pieces[:, cv2.CC_STAT_AREA]
    if len(areas) == 2 and areas[1] > 1:
        return mask  # one piece, as most digits are
    kept = areas >= max(2, _MAX_SPECK_SHARE * areas[1:].max())
    kept[0] = False  # the background
    count = np.count_nonzero(kept)
    if count == 0:
        raise NoDigit("There is no digit in the image")
    if count > 1 and _are_several_digits(pieces[kept].astype(np.int64)):
        raise MultipleDigits("There is more than one digit in the image")
    strokes: Mask = kept[labels]
    return strokes


def _are_several_digits(pieces: npt.NDArray[np.int64]) -> bool:
    """Return whether two of the pieces are separate digits, side by side or stacked.

    A digit in pieces (a 5 with a loose bar, an open 4) has no two that are large enough. The
    thresholds reject none of MNIST's 60,000 training digits, and detect 99 % (side by side) and
    82 % (stacked) of pairs made from them.
    """
    left, top = pieces[:, cv2.CC_STAT_LEFT], pieces[:, cv2.CC_STAT_TOP]
    width, height = pieces[:, cv2.CC_STAT_WIDTH], pieces[:, cv2.CC_STAT_HEIGHT]
    total_width, total_height = (left + width).max() - left.min(), (top + height).max() - top.min()
    shorter = np.minimum.outer(height, height)
    beside = np.subtract.outer(left, left + width) >= _MIN_GAP_SHARE * total_height
    above = np.subtract.outer(top, top + height) >= _MIN_GAP_SHARE * total_height
    side_by_side = np.any(beside & (shorter >= _MIN_BESIDE_HEIGHT * total_height))
    stacked = total_height > _MIN_STACKED_ASPECT * total_width and np.any(
        above & (shorter >= _MIN_ABOVE_HEIGHT * total_height)
    )
    return bool(side_by_side or stacked)


def _crop_to_digit(ink: GrayImage, strokes: Mask) -> GrayImage:
    """Crop to the box around the strokes, and remove ink that does not touch them."""
    box = bounding_box(strokes)
    touched = cv2.dilate(strokes[box].view(np.uint8), _KERNEL_3X3)
    return np.asarray(cv2.copyTo(ink[box], touched), dtype=np.float32)


def _fit_to_box(box: GrayImage) -> GrayImage:
    """Scale the longer side to 20 pixels and the strongest ink to 1."""
    fitted = box if max(box.shape) == FIT_SIDE else resize(box, FIT_SIDE / max(box.shape))
    _, peak, _, _ = cv2.minMaxLoc(fitted)
    return fitted / max(peak, 1e-6)


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
