"""What a digit is written on, and what that lies on: paper, boards, screens, desks."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

Image = npt.NDArray[np.float32]  # (height, width, 3), 0..1, RGB
Field = npt.NDArray[np.float32]  # (height, width)
Mask = npt.NDArray[np.uint8]  # (height, width): where something is drawn, antialiased
Color = npt.NDArray[np.float32]  # (3,), 0..1


def blend(page: Image, mask: Mask, color: Color, opacity: float = 1.0) -> None:
    """Paint a color over a page where the mask is set."""
    share = mask.astype(np.float32) * np.float32(opacity / 255)
    page += share[..., None] * (color - page)


def blur(field: Field, deviation_pixels: float) -> Field:
    """Blur a field or an image."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), deviation_pixels), np.float32)


def random_color(rng: Generator, low: float = 0.0, high: float = 1.0) -> Color:
    """Return a color (3,), half of the time a gray, of a brightness between `low` and `high`."""
    brightness = rng.uniform(low, high)
    tint = rng.normal(0, 0.25 if rng.random() < 0.4 else 0.02, 3)
    return np.asarray(np.clip(brightness + tint - tint.mean(), 0, 1), np.float32)


def smooth_noise(shape: tuple[int, int], cell_pixels: float, rng: Generator) -> Field:
    """Return noise of mean 0 and deviation about 1 whose grains are of such a size."""
    height, width = (max(2, round(side / cell_pixels) + 1) for side in shape)
    grains = rng.standard_normal((height, width), dtype=np.float32)
    return np.asarray(cv2.resize(grains, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _plain(shape: tuple[int, int], color: Color) -> Image:
    return np.full((*shape, 3), color, np.float32)


def paper(shape: tuple[int, int], rng: Generator) -> Image:
    """Return a sheet: mostly light, sometimes dark or colored, even or with a grain."""
    if rng.random() < 0.35:
        color = np.full(3, rng.choice([1.0, 1.0, 0.98, 0.94]), np.float32)
    elif rng.random() < 0.7:
        color = random_color(rng, 0.6, 1.0)
    else:
        color = random_color(rng, 0.0, 0.7)
    sheet = _plain(shape, color)
    if rng.random() < 0.4:
        sheet = sheet + _grain(shape, rng)[..., None]
    return sheet


def _grain(shape: tuple[int, int], rng: Generator) -> Field:
    fine = smooth_noise(shape, rng.uniform(1, 4), rng) * rng.uniform(0, 0.03)
    coarse = smooth_noise(shape, rng.uniform(8, 120), rng) * rng.uniform(0, 0.05)
    return np.asarray(fine + coarse, np.float32)


def desk(shape: tuple[int, int], rng: Generator) -> Image:
    """Return what a sheet lies on: plain, wood with streaks, cloth, or clutter of many colors."""
    surface = _plain(shape, random_color(rng, 0.05, 0.75))
    kind = rng.integers(4)
    if kind == 1:
        streaks = cv2.resize(
            rng.standard_normal((max(2, shape[0] // 3), 4), dtype=np.float32), shape[::-1]
        )
        streaks = streaks if rng.random() < 0.5 else cv2.resize(streaks.T, shape[::-1])
        surface = surface + (streaks * rng.uniform(0.02, 0.08))[..., None]
    elif kind == 2:
        surface = (
            surface
            + (smooth_noise(shape, rng.uniform(1, 5), rng) * rng.uniform(0.01, 0.08))[..., None]
        )
    elif kind == 3:
        clutter(surface, rng)
    return surface


def clutter(surface: Image, rng: Generator) -> None:
    """Paint polygons of many colors over a surface."""
    height, width = surface.shape[:2]
    for _ in range(rng.integers(2, 9)):
        center = rng.uniform(0, 1, 2) * (width, height)
        corners = center + rng.normal(0, 0.2, (rng.integers(3, 6), 2)) * max(height, width)
        cv2.fillPoly(surface, [corners.astype(np.int32)], random_color(rng).tolist(), cv2.LINE_AA)


def print_pattern(sheet: Image, unit: float, rng: Generator) -> None:
    """Print rules, squares, dots or a margin on a sheet; `unit` is the digit's height in pixels."""
    mask = np.zeros(sheet.shape[:2], np.uint8)
    _PATTERNS[rng.integers(len(_PATTERNS))](mask, unit, rng)
    blend(sheet, mask, random_color(rng), rng.uniform(0.1, 0.8))


def _pen_pixels(unit: float, rng: Generator) -> int:
    return max(1, round(unit * rng.uniform(0.005, 0.05)))


def _rules(mask: Mask, unit: float, rng: Generator) -> None:
    """Draw parallel lines from side to side, a little tilted."""
    height, width = mask.shape
    pen, gap = _pen_pixels(unit, rng), max(5.0, unit * rng.uniform(0.25, 1.6))
    tilt = rng.uniform(-0.06, 0.06) * width
    for at in np.arange(rng.uniform(-gap, gap), (height + width) * 1.1, gap):
        cv2.line(mask, (0, round(at)), (width, round(at + tilt)), 255, pen, cv2.LINE_AA)


def _squares(mask: Mask, unit: float, rng: Generator) -> None:
    height, width = mask.shape
    pen, gap = _pen_pixels(unit, rng), max(5.0, unit * rng.uniform(0.2, 1.2))
    tilt = rng.uniform(-0.05, 0.05)
    for at in np.arange(rng.uniform(-gap, gap), (height + width) * 1.1, gap):
        row, column = (0, round(at)), (round(at), 0)
        cv2.line(mask, row, (width, round(at + tilt * width)), 255, pen, cv2.LINE_AA)
        cv2.line(mask, column, (round(at - tilt * height), height), 255, pen, cv2.LINE_AA)


def _dots(mask: Mask, unit: float, rng: Generator) -> None:
    height, width = mask.shape
    gap = max(6.0, unit * rng.uniform(0.2, 0.8))
    radius = max(1, round(gap * rng.uniform(0.03, 0.12)))
    for down in np.arange(rng.uniform(0, gap), height, gap):
        for across in np.arange(rng.uniform(0, gap), width, gap):
            cv2.circle(mask, (round(across), round(down)), radius, 255, -1, cv2.LINE_AA)


def _margin(mask: Mask, unit: float, rng: Generator) -> None:
    _rules(mask, unit, rng)
    height, width = mask.shape
    at = round(width * (rng.uniform(0.03, 0.2) if rng.random() < 0.7 else rng.uniform(0.8, 0.97)))
    cv2.line(mask, (at, 0), (at, height), 255, _pen_pixels(unit, rng), cv2.LINE_AA)


_PATTERNS: tuple[Callable[[Mask, float, Generator], None], ...] = (_rules, _squares, _dots, _margin)
