"""Preprocessing: from an image file to the digit image that the models expect.

A plain small image is normalized as it is, within the server. In every other image the ink network
finds the digit, in the processes that decode such images. Training and serving share it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from app.domain.errors import ImageError, MultipleDigits, NoDigit
from app.domain.predictions import DigitImage
from app.imaging import fast_png
from app.imaging.decoding import SMALL_LIMIT, decode, is_small_png, repeat_gray
from app.imaging.ink_finder import InkModel, Look, Probabilities, find_ink
from app.imaging.ink_model import bundled_ink_model
from app.imaging.normalization import (
    MIN_INK_SHARE,
    may_be_several,
    normalize_ink,
    normalize_plain,
)
from app.imaging.page import ColorImage, GrayLevels, crop_to

_MAX_NONE, _MAX_SEVERAL = 0.5, 0.3  # probabilities above which an image is rejected
_MAX_SEVERAL_PIECES = 0.01  # the same of several, if the ink looks like two digits too
_CERTAIN = 0.8  # the probability of a single digit below which there is a warning
_MIN_GAP = 0.03  # of the ink's height; separate digits are at least this far apart


class NotPlain(Exception):
    """The image is not plain: only the ink network can find its digit."""


@dataclass(frozen=True)
class Preprocessed:
    """A digit image, and how probable it is that the image file shows exactly one digit."""

    digit: DigitImage
    single_digit_probability: float = 1.0

    @property
    def is_doubtful(self) -> bool:
        """Whether the image may show no digit, or several."""
        return self.single_digit_probability < _CERTAIN


def preprocess(image_bytes: bytes) -> Preprocessed:
    """Return the one digit of an image file.

    Raises UnreadableImage, ImageTooLarge, NoDigit or MultipleDigits.
    """
    result = _preprocess_or_error(image_bytes, _preprocess_large)
    if isinstance(result, Exception):
        raise result
    return result


def preprocess_gray(gray: GrayLevels) -> Preprocessed:
    """Return the one digit of a gray image. Raises NoDigit or MultipleDigits."""
    return _preprocess_plain(gray) or find_digit(repeat_gray(gray), bundled_ink_model())


def preprocess_small(image_bytes: bytes) -> Preprocessed | None:
    """Return the digit of a small PNG file; None if it is not plain and needs the ink network.

    Raises UnreadableImage, ImageTooLarge or NoDigit.
    """
    gray = fast_png.decode(image_bytes, SMALL_LIMIT)
    if gray is None:
        gray = _gray_of(decode(image_bytes))
    return None if gray is None else _preprocess_plain(gray)


def preprocess_many(
    files: Sequence[bytes], read: Callable[[bytes], Preprocessed]
) -> list[Preprocessed | Exception]:
    """Preprocess many image files independently; return a digit image or an error for each.

    What is not a plain small PNG is left to `read`, one file after the other.
    """
    return [_preprocess_or_error(file, read) for file in files]


def find_digit(page: ColorImage, model: InkModel) -> Preprocessed:
    """Return the one digit of an image uint8 (height, width, 3). Raises NoDigit, MultipleDigits."""
    look = find_ink(page, model)
    none, one, several = look.contents.tolist()
    if look.box is None or none > _MAX_NONE:
        raise NoDigit("There is no digit in the image")
    if several > (_MAX_SEVERAL_PIECES if _are_separate(look.ink) else _MAX_SEVERAL):
        raise MultipleDigits("There is more than one digit in the image")
    return Preprocessed(_digit_of(look), one)


def _digit_of(look: Look) -> DigitImage:
    ink = look.ink / look.ink.max()
    return normalize_ink(np.ascontiguousarray(crop_to(ink, ink > MIN_INK_SHARE)))


def _are_separate(ink: Probabilities) -> bool:
    """Return whether two pieces of ink may be digits."""
    mask = (ink > MIN_INK_SHARE * ink.max()).view(np.uint8)
    _, _, pieces, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return may_be_several(pieces[1:], _MIN_GAP)


def _preprocess_large(image_bytes: bytes) -> Preprocessed:
    return find_digit(decode(image_bytes), bundled_ink_model())


def _preprocess_plain(gray: GrayLevels) -> Preprocessed | None:
    digit = normalize_plain(gray)
    return None if digit is None else Preprocessed(digit)


def _gray_of(page: ColorImage) -> GrayLevels | None:
    """Return the gray values of an image without colors, else None."""
    red, green, blue = cv2.split(page)
    is_gray = np.array_equal(red, green) and np.array_equal(red, blue)
    return np.asarray(red, np.uint8) if is_gray else None


def _preprocess_or_error(
    file: bytes, read: Callable[[bytes], Preprocessed]
) -> Preprocessed | ImageError | NotPlain:
    try:
        return (preprocess_small(file) if is_small_png(file) else None) or read(file)
    except (ImageError, NotPlain) as error:
        return error
