"""Ways of writing that are rare among MNIST's Americans: 1 with an upstroke, 7 with a crossbar."""

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from app.domain.predictions import DigitImage

_UPSTROKE_PROBABILITY, _FOOT_PROBABILITY, _CROSSBAR_PROBABILITY = 0.5, 0.15, 0.15
_MIN_INK = 100  # of 255, of a pixel that belongs to the strokes
_SHIFT = 4  # fractional bits of cv2's coordinates


def vary_style(digit: DigitImage, label: int, rng: Generator) -> DigitImage:
    """Return the digit, light on dark, sometimes with a stroke that others would add."""
    if label == 1 and rng.random() < _UPSTROKE_PROBABILITY:
        return _with_upstroke(digit, rng)
    if label == 7 and rng.random() < _CROSSBAR_PROBABILITY:
        return _with_crossbar(digit, rng)
    return digit


def _with_upstroke(digit: DigitImage, rng: Generator) -> DigitImage:
    """Add a stroke from the top of a 1 to the left and down, perhaps also a foot."""
    rows, columns = np.nonzero(digit > _MIN_INK)
    top, bottom = rows.min(), rows.max()
    height = bottom - top + 1
    pen = float(np.clip(len(rows) / height * rng.uniform(0.7, 1.1), 1, 6))
    angle, length = rng.uniform(0.3, 1.3), height * rng.uniform(0.25, 0.7)
    start = np.array([columns[rows == top].mean(), top + pen / 2 - 0.5])
    end = start + length * np.array([-np.sin(angle), np.cos(angle)])
    written = _add_stroke(digit, start, end, pen)
    if rng.random() < _FOOT_PROBABILITY:
        middle = np.array([columns[rows == bottom].mean(), bottom - pen / 2 + 0.5])
        reach = np.array([height * rng.uniform(0.15, 0.35), 0])
        written = _add_stroke(written, middle - reach, middle + reach, pen)
    return written


def _with_crossbar(digit: DigitImage, rng: Generator) -> DigitImage:
    """Add a short stroke across the stem of a 7."""
    rows, columns = np.nonzero(digit > _MIN_INK)
    row = round(rows.min() + np.ptp(rows) * rng.uniform(0.45, 0.65))
    stem = columns[rows == row]
    if not len(stem):
        return digit
    middle = np.array([stem.mean(), row])
    reach = np.array([np.ptp(columns) * rng.uniform(0.2, 0.4), rng.uniform(-1, 1)])
    pen = float(np.clip(np.ptp(stem) + 1, 1, 4)) * rng.uniform(0.7, 1)
    return _add_stroke(digit, middle - reach, middle + reach, pen)


def _add_stroke(
    digit: DigitImage,
    start: npt.NDArray[np.float64],
    end: npt.NDArray[np.float64],
    pen: float,
) -> DigitImage:
    """Draw a stroke between two points (x, y), antialiased, in the digit's strongest ink."""
    fine = 4
    stroke = np.zeros(np.array(digit.shape) * fine, np.uint8)
    ends = ((np.stack([start, end]) + 0.5) * fine * 2**_SHIFT).round().astype(np.int32)
    color, thickness = float(digit.max()), max(1, round(pen * fine))
    cv2.polylines(stroke, [ends], False, color, thickness, cv2.LINE_AA, _SHIFT)
    small = cv2.resize(stroke, digit.shape[::-1], interpolation=cv2.INTER_AREA)
    return np.maximum(digit, np.asarray(small, np.uint8))
