"""Degradations of a digit's image: what dirt, bad light, bad cameras and other pens do to it.

Each takes ink in 0..1 on a square page (side, side) and returns another page.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from app.domain.predictions import IMAGE_SIZE
from app.imaging.page import GrayImage

_PURE_PROBABILITY = 0.8  # otherwise the clean page shows through


def degrade(ink: GrayImage, rng: Generator) -> GrayImage:
    """Return the page after one of the degradations, sometimes mixed with what it was."""
    degraded = DEGRADATIONS[rng.choice(len(DEGRADATIONS), p=_PROBABILITIES)](ink, rng)
    if rng.random() >= _PURE_PROBABILITY:
        share = np.float32(rng.uniform(0.3, 0.9))
        degraded = share * degraded + (1 - share) * ink
    return np.asarray(np.clip(degraded, 0, 1), np.float32)


def _unit(ink: GrayImage) -> float:
    """Return the size of one of MNIST's pixels."""
    return len(ink) / IMAGE_SIZE


def _add_noise(ink: GrayImage, rng: Generator) -> GrayImage:
    """Add grain, the same everywhere or stronger where it is lighter."""
    grain = rng.standard_normal(ink.shape, dtype=np.float32) * np.float32(rng.uniform(0.02, 0.4))
    if rng.random() < 0.5:
        grain = grain * np.sqrt(np.clip(ink, 0, 1)) * 2
    return np.asarray(ink + grain, np.float32)


def _drop_pixels(ink: GrayImage, rng: Generator) -> GrayImage:
    """Set some pixels to background, to ink, or to either."""
    hit = rng.random(ink.shape) < rng.uniform(0.01, 0.25)
    kind = rng.integers(3)
    value = rng.integers(0, 2, ink.shape) if kind == 2 else np.full(ink.shape, kind)
    return np.where(hit, value, ink).astype(np.float32)


def _blur(ink: GrayImage, rng: Generator) -> GrayImage:
    widths = rng.uniform(0.2, 1.2, 2) * _unit(ink)
    return np.asarray(cv2.GaussianBlur(ink, (0, 0), *widths), np.float32)


def _lower_resolution(ink: GrayImage, rng: Generator) -> GrayImage:
    """Downsample to a few pixels, then enlarge, smoothly or in squares."""
    few = int(rng.integers(8, 20))
    small = cv2.resize(ink, (few, few), interpolation=cv2.INTER_AREA)
    method = cv2.INTER_CUBIC if rng.random() < 0.7 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(small, ink.shape, interpolation=method), np.float32)


def _convolve(ink: GrayImage, rng: Generator) -> GrayImage:
    """Filter with a random kernel: sharpened, embossed, smeared or doubled."""
    size = int(rng.choice([3, 5]))
    kernel = rng.normal(0, 1 / size, (size, size)).astype(np.float32)
    kernel[size // 2, size // 2] += 1
    filtered = cv2.filter2D(ink, -1, kernel)
    low, high = float(filtered.min()), float(filtered.max())
    return np.asarray((filtered - low) / max(high - low, 1e-6), np.float32)


def _shade(ink: GrayImage, rng: Generator) -> GrayImage:
    """Draw pale ink on paper under uneven lighting."""
    slope = np.linspace(-0.5, 0.5, len(ink), dtype=np.float32)
    down, across = rng.uniform(-0.4, 0.4, 2).astype(np.float32)
    light = 0.7 + down * slope[:, None] + across * slope
    return np.asarray(light * (1 - np.float32(rng.uniform(0.3, 0.8)) * ink), np.float32)


def _change_tone(ink: GrayImage, rng: Generator) -> GrayImage:
    """Change the gamma, the contrast and the darkness of the background."""
    low, high = np.sort(rng.uniform(0, 1, 2))
    high = max(high, low + 0.15)
    return np.asarray(low + (high - low) * ink ** rng.uniform(0.4, 2.5), np.float32)


def _cloud(ink: GrayImage, rng: Generator) -> GrayImage:
    """Let light clouds, of coarse and fine grain, cover the page in part."""
    veil = np.zeros_like(ink)
    for cells in (2, 4, 8, 16):
        grains = rng.random((cells + 1, cells + 1), dtype=np.float32) / np.float32(cells)
        veil += cv2.resize(grains, ink.shape, interpolation=cv2.INTER_CUBIC)
    strength = np.float32(rng.uniform(0.2, 1.5))
    covered = ink + strength * (veil - veil.min()) / max(float(np.ptp(veil)), 1e-6)
    return np.asarray(covered / covered.max(), np.float32)


def _add_strokes(ink: GrayImage, rng: Generator) -> GrayImage:
    """Add one to three stray strokes over or beside the digit, mostly thinner than its own."""
    strokes = np.zeros_like(ink)
    for _ in range(1 + rng.binomial(2, 0.3)):
        goes_one_way = rng.random() < 0.5
        corners = rng.uniform(0, len(ink), (int(rng.integers(2, 9 if goes_one_way else 5)), 2))
        if goes_one_way:
            corners = corners[np.argsort(corners @ rng.normal(0, 1, 2))]
        pen = max(1, round(_unit(ink) * rng.uniform(0.3, 1.6)))
        color = rng.uniform(0.3, 1)
        cv2.polylines(strokes, [corners.astype(np.int32)], False, color, pen, cv2.LINE_AA)
    return np.maximum(ink, strokes)


def _spatter(ink: GrayImage, rng: Generator) -> GrayImage:
    """Add drops beside and on the strokes, of ink and of background."""
    drops = ink.copy()
    for _ in range(rng.integers(2, 16)):
        place = [int(at) for at in rng.integers(0, len(ink), 2)]
        radius = int(rng.integers(0, int(1 + 2 * _unit(ink))))
        gray = rng.uniform(0.2, 1) if rng.random() < 0.6 else 0.0
        cv2.circle(drops, place, radius, gray, -1, cv2.LINE_AA)
    return drops


def _erase(ink: GrayImage, rng: Generator) -> GrayImage:
    """Erase, or cover with gray, a box or two."""
    covered = ink.copy()
    for _ in range(rng.integers(1, 3)):
        left, top = rng.integers(0, len(ink), 2)
        width, height = (rng.uniform(1, 7, 2) * _unit(ink)).astype(int) + 1
        covered[top : top + height, left : left + width] = rng.choice([0.0, rng.uniform(0, 1)])
    return covered


def _invert_part(ink: GrayImage, rng: Generator) -> GrayImage:
    """Invert what lies on one side of a line, or within a band at any angle."""
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.45) * len(ink)
    if rng.random() < 0.5:
        angle = round(angle / (np.pi / 2)) * np.pi / 2
    places = np.arange(len(ink)) - len(ink) / 2
    distance = np.cos(angle) * places + np.sin(angle) * places[:, None] - offset
    width = len(ink) if rng.random() < 0.7 else rng.uniform(2, 10) * _unit(ink)
    inside = (distance > 0) & (distance < width)
    return np.where(inside, 1 - ink, ink).astype(np.float32)


def _outline(ink: GrayImage, rng: Generator) -> GrayImage:
    """Draw the outline of the strokes only, by morphology, soft or in full black and white."""
    size = max(2, round(_unit(ink) * rng.uniform(1, 3)))
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    outer = cv2.dilate(ink, pen) if rng.random() < 0.5 else ink
    edge = np.asarray(outer - cv2.erode(outer, pen), np.float32)
    if rng.random() < 0.5:
        return np.asarray(edge > rng.uniform(0.3, 0.6) * edge.max(), np.float32)
    return edge / np.float32(max(float(edge.max()), 1e-6))


_WEIGHTS: dict[Callable[[GrayImage, Generator], GrayImage], int] = {
    _add_noise: 2,
    _drop_pixels: 1,
    _blur: 1,
    _lower_resolution: 1,
    _convolve: 1,
    _shade: 1,
    _change_tone: 1,
    _cloud: 1,
    _add_strokes: 3,
    _spatter: 1,
    _erase: 1,
    _invert_part: 2,
    _outline: 3,
}
DEGRADATIONS = tuple(_WEIGHTS)
_PROBABILITIES = np.array(list(_WEIGHTS.values())) / sum(_WEIGHTS.values())
