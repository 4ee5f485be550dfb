"""What a page without a digit shows instead: words, icons, textures.

They are drawn where a digit would be, in its size and its ink.
"""

import string
from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from app.training.scenes.marks import FONTS, Box, Points
from app.training.scenes.surfaces import Color, Image, Mask, blend, random_color, smooth_noise

_LETTERS = list(string.ascii_letters)
_WORD_LENGTHS = (2, 10)
_POINTED_CORNERS = (3, 9)
_TEXTURE_PROBABILITY = 0.25


def add_other_content(page: Image, box: Box, color: Color, rng: Generator) -> None:
    """Draw a word or an icon, or cover the page with a texture."""
    if rng.random() < _TEXTURE_PROBABILITY:
        page[:] = _texture(page.shape[:2], rng)
        return
    mask = np.zeros(page.shape[:2], np.uint8)
    _SHAPES[rng.integers(len(_SHAPES))](mask, box, rng)
    blend(page, mask, color)


def _texture(shape: tuple[int, int], rng: Generator) -> Image:
    """Return clouds, grain or woven stripes, gray or of many colors."""
    cell = max(shape) * np.exp(rng.uniform(np.log(0.01), np.log(0.3)))
    channels = [_field(shape, cell, rng) for _ in range(3 if rng.random() < 0.5 else 1)]
    field = np.dstack(channels * (3 // len(channels))) * rng.uniform(0.05, 0.4)
    return np.asarray(random_color(rng, 0.2, 0.8) + field, np.float32)


def _field(shape: tuple[int, int], cell: float, rng: Generator) -> Image:
    if rng.random() < 0.6:
        return smooth_noise(shape, cell, rng)
    down, across = np.ogrid[: shape[0], : shape[1]]
    angle, other = rng.uniform(0, np.pi, 2)
    waves = np.cos(2 * np.pi / cell * (np.cos(angle) * across + np.sin(angle) * down))
    if rng.random() < 0.5:
        waves = waves * np.cos(2 * np.pi / cell * (np.cos(other) * across + np.sin(other) * down))
    return np.asarray(np.sign(waves) if rng.random() < 0.4 else waves, np.float32)


def _word(mask: Mask, box: Box, rng: Generator) -> None:
    """Write a word of the digit's height, or as high as fits the page."""
    word = "".join(rng.choice(_LETTERS, int(rng.integers(*_WORD_LENGTHS))))
    font, scale = int(rng.choice(FONTS)), box.height / 22
    (width, _), _ = cv2.getTextSize(word, font, scale, 1)
    scale *= min(1.0, 0.95 * mask.shape[1] / width)
    pen = max(1, round(22 * scale * rng.uniform(0.04, 0.2)))
    (width, height), _ = cv2.getTextSize(word, font, scale, pen)
    left = min(max(0, round(box.center[0] - width / 2)), max(0, mask.shape[1] - width))
    bottom = round(box.center[1] + height / 2)
    cv2.putText(mask, word, (left, bottom), font, scale, 255, pen, cv2.LINE_AA)


def _pointed_icon(mask: Mask, box: Box, rng: Generator) -> None:
    """Draw a filled triangle, arrowhead, star or gear, or the outline of one."""
    count = int(rng.integers(*_POINTED_CORNERS))
    angles = rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi, 2 * count, endpoint=False)
    radii = box.unit / 2 * np.where(np.arange(2 * count) % 2, rng.uniform(0.3, 0.9), 1.0)
    points = box.center + radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    _fill_or_outline(mask, points, box, rng)


def _block_icon(mask: Mask, box: Box, rng: Generator) -> None:
    """Draw rows and columns of blocks, as logos, menus, codes and keyboards have."""
    rows, columns = rng.integers(2, 7, 2)
    filled = rng.random((rows, columns)) < rng.uniform(0.4, 1)
    gap = rng.uniform(0, 0.4)
    height, width = box.unit / rows, box.unit / columns
    for row, column in np.argwhere(filled):
        left, top = round(box.left + column * width), round(box.top + row * height)
        right, bottom = round(left + width * (1 - gap)), round(top + height * (1 - gap))
        cv2.rectangle(mask, (left, top), (right, bottom), 255, -1)


def _blob(mask: Mask, box: Box, rng: Generator) -> None:
    """Draw a rounded or ragged shape without strokes: a leaf, a face, a cloud."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = sum(
        rng.normal(0, 0.25 / order) * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
        for order in range(1, 6)
    )
    radii = box.unit / 2 * np.clip(0.7 + waves, 0.2, 1)
    points = box.center + radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    cv2.fillPoly(mask, [points.round().astype(np.int32)], 255, cv2.LINE_AA)


def _fill_or_outline(mask: Mask, points: Points, box: Box, rng: Generator) -> None:
    corners = [points.round().astype(np.int32)]
    if rng.random() < 0.6:
        cv2.fillPoly(mask, corners, 255, cv2.LINE_AA)
    else:
        pen = max(1, round(box.unit * rng.uniform(0.02, 0.1)))
        cv2.polylines(mask, corners, True, 255, pen, cv2.LINE_AA)


_SHAPES: tuple[Callable[[Mask, Box, Generator], None], ...] = (
    _word,
    _word,
    _pointed_icon,
    _block_icon,
    _blob,
)
