"""Data augmentation: digits varied as real images vary, then preprocessed as in serving.

Warped strokes of varied thickness (elastic distortion: Simard, Steinkraus, Platt 2003), degraded
before preprocessing, and sometimes an image file of one of the synthetic kinds.
"""

import cv2
import numpy as np
from numpy.random import Generator

from app.domain.errors import ImageError
from app.domain.predictions import IMAGE_SIZE, DigitImage
from app.imaging.page import GrayImage, to_levels
from app.imaging.preprocessing import preprocess, preprocess_gray
from app.training.degradations import degrade
from app.training.synthetic_images import RENDERERS

_FILE_PROBABILITY = 0.05  # of being rendered as an image file
_FILE_RENDERERS = tuple(maker for kind, maker in RENDERERS.items() if kind != "huge")
_PLAIN_SIZE_PROBABILITY = 0.35  # of being degraded in MNIST's own pixels, not in those of a page
_DEGRADATIONS = (0.3, 0.4, 0.3)  # probabilities of none, one and two
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
        side = IMAGE_SIZE if rng.random() < _PLAIN_SIZE_PROBABILITY else None
        gray = warp(digit, rng, side)
        for _ in range(rng.choice(len(_DEGRADATIONS), p=_DEGRADATIONS)):
            gray = degrade(gray, rng)
        return _shift(preprocess_gray(to_levels(gray)).digit, rng)
    except ImageError:
        return digit


def warp(digit: DigitImage, rng: Generator, side: int | None = None) -> GrayImage:
    """Return ink in 0..1 on a page of any size: rotated, sheared, scaled, elastically distorted."""
    side = side or int(rng.integers(_CANVAS_PIXELS[0], _CANVAS_PIXELS[1] + 1))
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


def _shift(digit: DigitImage, rng: Generator) -> DigitImage:
    """Shift by one pixel, as dirt shifts the center of mass. The border of 28x28 is empty."""
    if rng.random() >= _SHIFT_PROBABILITY:
        return digit
    down, across = rng.integers(-1, 2, 2)
    return np.roll(digit, (down, across), axis=(0, 1))
