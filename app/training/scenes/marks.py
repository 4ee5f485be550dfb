"""What else is drawn or printed beside a digit: circles, cells, lines, texts, scribbles, stains.

Each mark is drawn on a mask uint8 (height, width), and the mask blended into the page.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from app.training.scenes.surfaces import (
    Color,
    Image,
    Mask,
    blend,
    random_color,
    smooth_noise,
)

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX_SMALL,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
_LETTERS = list(string.ascii_letters)
_WORDS_ALPHABET = list(string.ascii_letters + string.digits + "   .,:-/")
_SOFT_PROBABILITY = 0.2
Points = npt.NDArray[np.float64]  # (n, 2): x and y
_SHIFT = 4  # fractional bits of cv2's coordinates


@dataclass(frozen=True)
class Box:
    """The box around a digit, in pixels."""

    left: float
    top: float
    width: float
    height: float

    @property
    def center(self) -> Points:
        """Return the center (x, y)."""
        return np.array([self.left + self.width / 2, self.top + self.height / 2])

    @property
    def unit(self) -> float:
        """Return the longer side."""
        return max(self.width, self.height)


def add_marks(page: Image, box: Box, ink: Color, rng: Generator, *, has_digit: bool) -> None:
    """Draw one to three marks around a digit, in its ink or in another.

    Where there is no digit nothing is circled: an empty circle reads as a 0.
    """
    marks = MARKS if has_digit else MARKS_BESIDE
    for _ in range(1 + rng.binomial(2, 0.3)):
        mask = np.zeros(page.shape[:2], np.uint8)
        marks[rng.integers(len(marks))](mask, box, rng)
        if rng.random() < _SOFT_PROBABILITY:
            deviation = max(0.5, box.unit * np.exp(rng.uniform(-4.5, -2)))
            mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), deviation), np.uint8)
        color = ink if rng.random() < 0.6 else random_color(rng)
        blend(page, mask, color, rng.uniform(0.5, 1) if rng.random() < 0.3 else 1.0)


def _pen(box: Box, rng: Generator) -> int:
    return max(1, round(box.unit * float(np.exp(rng.uniform(np.log(0.01), np.log(0.12))))))


def _wobbly(points: Points, amount: float, rng: Generator) -> npt.NDArray[np.int32]:
    """Return points (n, 2) as drawn by hand, in cv2's fixed-point coordinates."""
    waves = rng.normal(0, 1, (6, 2))
    at = np.linspace(0, 1, len(points))
    moved = points + amount * (
        np.column_stack([np.interp(at, np.linspace(0, 1, 6), waves[:, axis]) for axis in (0, 1)])
    )
    return np.asarray((moved * 2**_SHIFT).round(), np.int32)


def _polyline(mask: Mask, points: Points, pen: int, wobble: float, rng: Generator) -> None:
    cv2.polylines(mask, [_wobbly(points, wobble, rng)], False, 255, pen, cv2.LINE_AA, _SHIFT)


def _ellipse_around(mask: Mask, box: Box, rng: Generator) -> None:
    """Draw a circle or an ellipse around the digit, by hand or exact, perhaps not closed."""
    radius = box.unit * rng.uniform(0.62, 1.3) * np.array([1.0, rng.uniform(0.75, 1.3)])
    start = rng.uniform(0, 2 * np.pi)
    angles = np.linspace(start, start + 2 * np.pi * rng.uniform(0.85, 1.12), 48)
    points = box.center + radius * np.column_stack([np.cos(angles), np.sin(angles)])
    wobble = box.unit * rng.uniform(0, 0.06) * (rng.random() < 0.6)
    _polyline(mask, points, _pen(box, rng), wobble, rng)


def _box_around(mask: Mask, box: Box, rng: Generator) -> None:
    """Draw a cell around the digit, with or without rounded corners, exact or by hand."""
    half = box.unit * rng.uniform(0.6, 1.3) * np.array([1.0, rng.uniform(0.8, 1.25)])
    center = box.center + box.unit * rng.normal(0, 0.05, 2)
    corners = center + half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
    points = np.concatenate([np.linspace(a, b, 12) for a, b in pairwise(corners)])
    if rng.random() < 0.3:
        points = _round_corners(center, half, rng)
    wobble = box.unit * rng.uniform(0, 0.04) * (rng.random() < 0.3)
    _polyline(mask, points, _pen(box, rng), wobble, rng)


def _round_corners(center: Points, half: Points, rng: Generator) -> Points:
    """Return the outline of a rounded rectangle: a superellipse."""
    angles, power = np.linspace(0, 2 * np.pi, 64), rng.uniform(0.1, 0.6)
    unit = np.column_stack([np.cos(angles), np.sin(angles)])
    return np.asarray(center + half * np.sign(unit) * np.abs(unit) ** power)


def _table(mask: Mask, box: Box, rng: Generator) -> None:
    """Draw a table, the digit in one of its cells."""
    pen, half = _pen(box, rng) // 2 + 1, box.unit * rng.uniform(0.62, 1.2, 2)
    height, width = mask.shape
    for number in range(-3, 4):
        across, down = box.center + half * (2 * number + 1)
        cv2.line(mask, (round(across), 0), (round(across), height), 255, pen, cv2.LINE_AA)
        cv2.line(mask, (0, round(down)), (width, round(down)), 255, pen, cv2.LINE_AA)


def _underline(mask: Mask, box: Box, rng: Generator) -> None:
    """Draw one or two lines under, or over, the digit."""
    side = 1 if rng.random() < 0.8 else -1
    for number in range(rng.integers(1, 3)):
        away = box.height * (0.5 + rng.uniform(0.08, 0.4) + 0.12 * number) * side
        ends = box.unit * np.array([[-rng.uniform(0.4, 1.6), 0], [rng.uniform(0.4, 1.6), 0]])
        ends = box.center + ends + [0, away] + box.unit * rng.normal(0, 0.03, (2, 2))
        points = np.linspace(ends[0], ends[1], 12)
        wobble = box.unit * rng.uniform(0, 0.03)
        _polyline(mask, points, _pen(box, rng), wobble, rng)


def _text(mask: Mask, box: Box, rng: Generator) -> None:
    """Print lines of text beside, above or below the digit."""
    size = max(5.0, box.unit * rng.uniform(0.08, 0.35))
    scale, font = size / 22, int(rng.choice(FONTS))
    height, width = mask.shape
    pen = max(1, round(size * rng.uniform(0.05, 0.15)))
    gap = box.unit * rng.uniform(0.08, 0.4)
    above = box.top - gap - size * np.arange(rng.integers(1, 5)) * rng.uniform(1.3, 2)
    below = (
        box.top
        + box.height
        + gap
        + size
        + size * np.arange(rng.integers(1, 5)) * rng.uniform(1.3, 2)
    )
    rows = [above, below, np.concatenate([above, below])][rng.integers(3)]
    left = rng.uniform(-0.1, 0.4) * width
    for row in rows[(rows > -size) & (rows < height + size)]:
        words = "".join(rng.choice(_WORDS_ALPHABET, int(rng.integers(2, 30))))
        cv2.putText(mask, words, (round(left), round(row)), font, scale, 255, pen, cv2.LINE_AA)


def _label_beside(mask: Mask, box: Box, rng: Generator) -> None:
    """Print a word or write a letter and a sign to the left or right of the digit, smaller."""
    size = box.height * rng.uniform(0.15, 0.5)
    words = "".join(rng.choice(_LETTERS, int(rng.integers(2, 8)))) + rng.choice(list(":=) "))
    font, scale = int(rng.choice(FONTS)), size / 22
    pen = max(1, round(size * rng.uniform(0.05, 0.15)))
    (text_width, _), _ = cv2.getTextSize(words, font, scale, pen)
    gap = box.unit * rng.uniform(0.15, 0.6)
    left = box.left - gap - text_width if rng.random() < 0.6 else box.left + box.width + gap
    bottom = box.top + box.height * rng.uniform(0.4, 1)
    cv2.putText(mask, words, (round(left), round(bottom)), font, scale, 255, pen, cv2.LINE_AA)


def _scribble(mask: Mask, box: Box, rng: Generator) -> None:
    """Draw a stray stroke that does not reach the digit, an arrow, a tick or a cross."""
    direction = rng.uniform(0, 2 * np.pi)
    away = box.unit * rng.uniform(0.9, 2.2) * np.array([np.cos(direction), np.sin(direction)])
    points = box.center + away + box.unit * rng.normal(0, 0.16, (int(rng.integers(2, 7)), 2))
    dense = np.column_stack(
        [
            np.interp(np.linspace(0, len(points) - 1, 24), np.arange(len(points)), points[:, axis])
            for axis in (0, 1)
        ]
    )
    _polyline(mask, dense, _pen(box, rng), 0.0, rng)


def _specks(mask: Mask, box: Box, rng: Generator) -> None:
    """Spatter dots, dust and crumbs over the page."""
    height, width = mask.shape
    for _ in range(rng.integers(3, 40)):
        center = (round(rng.uniform(0, width)), round(rng.uniform(0, height)))
        radius = max(1, round(box.unit * np.exp(rng.uniform(np.log(0.005), np.log(0.05)))))
        cv2.circle(mask, center, radius, 255, -1, cv2.LINE_AA)


def _stain(mask: Mask, box: Box, rng: Generator) -> None:
    """Stain or smear the page softly, anywhere."""
    height, width = mask.shape
    center = rng.uniform(0, 1, 2) * (width, height)
    down, across = np.ogrid[:height, :width]
    distance = np.hypot((across - center[0]) / rng.uniform(0.5, 2), down - center[1])
    ragged = distance + box.unit * 0.3 * smooth_noise((height, width), box.unit / 2 + 2, rng)
    reach = box.unit * rng.uniform(0.4, 2)
    soft = max(1.0, reach * rng.uniform(0.02, 0.6))
    strength = rng.uniform(0.05, 0.35) * np.clip((reach - ragged) / soft, 0, 1)
    np.maximum(mask, (255 * strength).astype(np.uint8), out=mask)


Mark = Callable[[Mask, Box, Generator], None]
MARKS_BESIDE: tuple[Mark, ...] = (
    _table,
    _underline,
    _text,
    _text,
    _label_beside,
    _scribble,
    _specks,
    _stain,
)
MARKS = (_ellipse_around, _ellipse_around, _box_around, _box_around, *MARKS_BESIDE)
