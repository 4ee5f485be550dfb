"""Kinds of image that the ink network was not trained on, on purpose: how it generalizes.

A coffee ring, a smeared chalkboard, a sticky note, a spiral notebook, the shadow of a window blind:
none of the scenes in app/training/scenes/ has any of these, and none may be given them.
"""

import io
from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image as PillowImage

from app.domain.predictions import DigitImage
from app.training.scenes.strokes import draw_digit
from app.training.scenes.surfaces import Color, Image, blur, random_color, smooth_noise

_SIDE = 640


def coffee_ring(digit: DigitImage, rng: Generator) -> bytes:
    """Render a page on which a cup has stood, beside the digit or over it."""
    page = _paper(rng)
    center, radius = rng.uniform(0.2, 0.8, 2) * _SIDE, _SIDE * rng.uniform(0.15, 0.3)
    down, across = np.ogrid[:_SIDE, :_SIDE]
    distance = np.hypot(down - center[0], across - center[1]) + 4 * _noise(60, rng)
    ring = np.exp(-(((distance - radius) / rng.uniform(4, 12)) ** 2))
    inside = 0.15 * (distance < radius)
    strength = np.clip(ring * (0.6 + 0.3 * _noise(90, rng)) + inside, 0, 1) * rng.uniform(0.3, 0.7)
    page += strength[..., None].astype(np.float32) * (_COFFEE - page)
    _write(page, digit, random_color(rng, 0, 0.3), rng)
    return _as_file(page, rng)


def chalkboard(digit: DigitImage, rng: Generator) -> bytes:
    """Render chalk on a board with the smears of what was wiped off before."""
    page = np.full((_SIDE, _SIDE, 3), [0.12, 0.22, 0.17], np.float32) * rng.uniform(0.7, 1.5)
    for _ in range(rng.integers(3, 9)):
        smear = np.zeros((_SIDE, _SIDE), np.float32)
        ends = rng.integers(0, _SIDE, 4).tolist()
        cv2.line(smear, (ends[0], ends[1]), (ends[2], ends[3]), 1.0, int(rng.integers(30, 120)))
        smear = blur(smear, rng.uniform(8, 30)) * (0.6 + 0.4 * _noise(6, rng))
        page += (rng.uniform(0.02, 0.14) * smear)[..., None]
    chalk = np.clip(rng.uniform(0.75, 1) + 0.25 * _noise(2, rng), 0.2, 1)
    _write(page, digit, np.full(3, rng.uniform(0.75, 0.95), np.float32), rng, chalk)
    return _as_file(page, rng)


def sticky_note(digit: DigitImage, rng: Generator) -> bytes:
    """Render a colored note on a wall or a door, curled, with its shadow."""
    wall: Image = np.full((_SIDE, _SIDE, 3), random_color(rng, 0.3, 0.9), np.float32)
    wall = wall + (np.float32(0.03) * _noise(int(rng.integers(3, 40)), rng))[..., None]
    side = int(_SIDE * rng.uniform(0.45, 0.75))
    note = np.full((side, side, 3), rng.choice(_NOTE_COLORS), np.float32)
    note *= np.linspace(1.0, rng.uniform(0.75, 0.95), side, dtype=np.float32)[:, None, None]
    _write(note, digit, random_color(rng, 0, 0.25), rng)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(-12, 12), 1.0)
    turn[:, 2] += rng.uniform(0, _SIDE - side, 2)
    seen = cv2.warpAffine(np.ones((side, side), np.float32), turn, (_SIDE, _SIDE))
    laid = cv2.warpAffine(note, turn, (_SIDE, _SIDE))
    fall = np.array([[1, 0, rng.uniform(-6, 6)], [0, 1, rng.uniform(6, 18)]])
    shadow = blur(np.asarray(cv2.warpAffine(seen, fall, (_SIDE, _SIDE)), np.float32), 7)
    wall *= (1 - rng.uniform(0.2, 0.5) * shadow)[..., None]
    return _as_file(wall * (1 - seen[..., None]) + laid, rng)


def spiral_notebook(digit: DigitImage, rng: Generator) -> bytes:
    """Render a page with the holes and the wire of its binding at one side."""
    page = _paper(rng)
    gap, at = int(rng.integers(24, 60)), int(rng.integers(14, 36))
    dark, wire = random_color(rng, 0, 0.25).tolist(), random_color(rng, 0.3, 0.7).tolist()
    for place in range(gap // 2, _SIDE, gap):
        cv2.circle(page, (at, place), gap // 5, dark, -1, cv2.LINE_AA)
        cv2.ellipse(
            page, (at // 2, place), (at // 2 + 4, gap // 6), 0, 0, 360, wire, 3, cv2.LINE_AA
        )
    page = np.ascontiguousarray(np.rot90(page, int(rng.integers(4))))
    _write(page, digit, random_color(rng, 0, 0.3), rng, margin=at + gap // 5 + 8)
    return _as_file(page, rng)


def window_blind(digit: DigitImage, rng: Generator) -> bytes:
    """Render stripes of sun and shade across the page, through a blind."""
    page = _paper(rng)
    _write(page, digit, random_color(rng, 0, 0.3), rng)
    angle, period = rng.uniform(-0.6, 0.6), _SIDE * rng.uniform(0.08, 0.25)
    down, across = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    phase = (np.cos(angle) * down + np.sin(angle) * across) / period + rng.uniform(0, 1)
    shade = blur(np.asarray(phase % 1 < rng.uniform(0.35, 0.65), np.float32), rng.uniform(1, 6))
    page *= (1 - rng.uniform(0.25, 0.55) * shade)[..., None]
    return _as_file(page, rng)


_COFFEE = np.array([0.45, 0.28, 0.12], np.float32)
_NOTE_COLORS = np.array([[1.0, 0.94, 0.45], [1.0, 0.6, 0.72], [0.6, 0.9, 0.65], [0.55, 0.82, 0.97]])
_FUNCTIONS = (coffee_ring, chalkboard, sticky_note, spiral_notebook, window_blind)

UNSEEN_KINDS: dict[str, Callable[[DigitImage, Generator], bytes]] = {
    maker.__name__: maker for maker in _FUNCTIONS
}


def _paper(rng: Generator) -> Image:
    page = np.full((_SIDE, _SIDE, 3), random_color(rng, 0.75, 1.0), np.float32)
    return page + (0.01 * _noise(int(rng.integers(2, 60)), rng))[..., None]


def _noise(cell_pixels: int, rng: Generator) -> Image:
    return smooth_noise((_SIDE, _SIDE), cell_pixels, rng)


def _write(
    page: Image,
    digit: DigitImage,
    color: Color,
    rng: Generator,
    texture: Image | None = None,
    margin: int = 20,
) -> None:
    """Write a digit somewhere on a square page, a quarter to three quarters of it tall."""
    side = len(page)
    ink = draw_digit(digit, (side - 2 * margin) * rng.uniform(0.25, 0.75), rng)
    ink = ink[: side - 2 * margin, : side - 2 * margin]
    height, width = ink.shape
    top, left = (int(rng.integers(margin, side - margin - n + 1)) for n in (height, width))
    place = np.s_[top : top + height, left : left + width]
    if texture is not None:
        ink = ink * texture[place]
    page[place] += ink[..., None] * (color - page[place])


def _as_file(image: Image, rng: Generator) -> bytes:
    """Return an image as a camera's JPEG file, with noise."""
    noisy = np.clip(image + rng.normal(0, rng.uniform(0.005, 0.03), image.shape), 0, 1)
    file = io.BytesIO()
    PillowImage.fromarray((noisy * 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return file.getvalue()
