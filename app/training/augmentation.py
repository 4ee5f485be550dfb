"""Data augmentation: digits varied as real images vary, then preprocessed as in serving.

Warped strokes of varied thickness (elastic distortion: Simard, Steinkraus, Platt 2003),
degradations before preprocessing, and sometimes an image file of one of the synthetic kinds.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from app.domain.errors import ImageError
from app.domain.predictions import IMAGE_SIZE, DigitImage
from app.imaging.page import GrayImage, to_levels
from app.imaging.preprocessing import preprocess, preprocess_gray
from app.training.synthetic_images import RENDERERS

_FILE_PROBABILITY = 0.05  # of being rendered as an image file
_FILE_RENDERERS = tuple(maker for kind, maker in RENDERERS.items() if kind != "huge")
_DEGRADE_PROBABILITY = 0.4
_THICKNESS_PROBABILITY = 0.4
_SHIFT_PROBABILITY = 0.3

_ROTATION_DEGREES = 14.0
_SCALING, _SHEARING = 0.15, 0.2
_ELASTIC_PIXELS, _ELASTIC_NODES = 1.3, 5  # of MNIST's 28
_CANVAS_PIXELS = (28, 72)
_MARGIN = (1.0, 1.5)  # side of the page relative to the side of MNIST's image


def augment(digit: DigitImage, rng: Generator) -> DigitImage:
    """Return a new preprocessed image of the same digit; the digit itself if it is rejected."""
    try:
        if rng.random() < _FILE_PROBABILITY:
            render = _FILE_RENDERERS[rng.integers(len(_FILE_RENDERERS))]
            return preprocess(render(digit, rng)).digit
        gray = warp(digit, rng)
        if rng.random() < _DEGRADE_PROBABILITY:
            gray = _DEGRADATIONS[rng.integers(len(_DEGRADATIONS))](gray, rng)
        return _shift(preprocess_gray(to_levels(gray)).digit, rng)
    except ImageError:
        return digit


def warp(digit: DigitImage, rng: Generator) -> GrayImage:
    """Return ink in 0..1 on a larger page: rotated, sheared, scaled, elastically distorted."""
    side = int(rng.integers(_CANVAS_PIXELS[0], _CANVAS_PIXELS[1] + 1))
    angle = np.deg2rad(rng.uniform(-_ROTATION_DEGREES, _ROTATION_DEGREES))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, rng.uniform(-_SHEARING, _SHEARING)], [0, 1]])
    stretch = rng.uniform(1 - _SCALING, 1 + _SCALING, 2) * rng.uniform(*_MARGIN) * IMAGE_SIZE / 2
    placed = np.asarray(turn @ shear * stretch, dtype=np.float32)
    across = np.linspace(-1, 1, side, dtype=np.float32)
    down = across[:, None]
    mapped = [
        by_x * across + by_y * down + np.float32(IMAGE_SIZE / 2 - 0.5) + pulled
        for (by_x, by_y), pulled in zip(placed, _elastic_offsets(side, rng), strict=True)
    ]
    ink = cv2.remap(digit, mapped[0], mapped[1], cv2.INTER_CUBIC)
    return _change_thickness(ink.astype(np.float32) / np.float32(255), rng)


def _elastic_offsets(side: int, rng: Generator) -> list[GrayImage]:
    """Return each pixel's offset along x and y, in MNIST's pixels: a coarse grid, upsampled."""
    strength = rng.uniform(0, _ELASTIC_PIXELS)
    nodes = rng.normal(0, strength, (2, _ELASTIC_NODES, _ELASTIC_NODES)).astype(np.float32)
    return [cv2.resize(net, (side, side), interpolation=cv2.INTER_CUBIC) for net in nodes]


def _change_thickness(ink: GrayImage, rng: Generator) -> GrayImage:
    if rng.random() >= _THICKNESS_PROBABILITY:
        return ink
    size = int(rng.integers(2, 3 + len(ink) // IMAGE_SIZE))
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    if rng.random() < 0.7:
        return np.asarray(cv2.dilate(ink, pen), dtype=np.float32)
    thin = cv2.erode(ink, pen)
    return np.asarray(thin if thin.max() > 0.5 else ink, dtype=np.float32)


def _add_noise(ink: GrayImage, rng: Generator) -> GrayImage:
    grain = rng.standard_normal(ink.shape, dtype=np.float32)
    return np.asarray(ink + grain * np.float32(rng.uniform(0.02, 0.15)), dtype=np.float32)


def _blur(ink: GrayImage, rng: Generator) -> GrayImage:
    widths = rng.uniform(0.2, 0.9, 2) * len(ink) / IMAGE_SIZE
    return np.asarray(cv2.GaussianBlur(ink, (0, 0), *widths), dtype=np.float32)


def _lower_resolution(ink: GrayImage, rng: Generator) -> GrayImage:
    """Downsample to a few pixels, then enlarge."""
    few = int(rng.integers(8, 20))
    small = cv2.resize(ink, (few, few), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, ink.shape, interpolation=cv2.INTER_CUBIC), np.float32)


def _shade(ink: GrayImage, rng: Generator) -> GrayImage:
    """Draw pale ink on paper under uneven lighting."""
    slope = np.linspace(-0.5, 0.5, len(ink), dtype=np.float32)
    down, across = rng.uniform(-0.4, 0.4, 2).astype(np.float32)
    light = 0.7 + down * slope[:, None] + across * slope
    return np.asarray(light * (1 - np.float32(rng.uniform(0.3, 0.8)) * ink), dtype=np.float32)


def _strike_through(ink: GrayImage, rng: Generator) -> GrayImage:
    """Add a stray stroke, thinner than the digit's own."""
    corners = rng.uniform(0, len(ink), (int(rng.integers(2, 5)), 2)).astype(np.int32)
    thickness = max(1, round(len(ink) / IMAGE_SIZE * rng.uniform(0.3, 1)))
    stroke = np.zeros_like(ink)
    cv2.polylines(stroke, [corners], False, rng.uniform(0.3, 1), thickness, cv2.LINE_AA)
    return np.maximum(ink, stroke)


def _spatter(ink: GrayImage, rng: Generator) -> GrayImage:
    """Add drops beside and on the strokes, of ink and of background."""
    drops = ink.copy()
    for _ in range(rng.integers(2, 12)):
        place = [int(at) for at in rng.integers(0, len(ink), 2)]
        radius = int(rng.integers(0, 1 + len(ink) // IMAGE_SIZE))
        gray = rng.uniform(0.5, 1) if rng.random() < 0.6 else 0.0
        cv2.circle(drops, place, radius, gray, -1, cv2.LINE_AA)
    return drops


_DEGRADATIONS: tuple[Callable[[GrayImage, Generator], GrayImage], ...] = (
    _add_noise,
    _blur,
    _lower_resolution,
    _shade,
    _strike_through,
    _spatter,
)


def _shift(digit: DigitImage, rng: Generator) -> DigitImage:
    """Shift by one pixel, as dirt shifts the center of mass. The border of 28x28 is empty."""
    if rng.random() >= _SHIFT_PROBABILITY:
        return digit
    down, across = rng.integers(-1, 2, 2)
    return np.roll(digit, (down, across), axis=(0, 1))
