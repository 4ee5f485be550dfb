"""Digits varied as people's pictures vary, then read by the imaging that serves.

Bent and thickened strokes (elastic distortion: Simard, Steinkraus, Platt 2003), dirt on the plane
before imaging, and now and then a whole picture file of one of the kinds.
"""

from collections.abc import Callable

import cv2
import numpy as np

from app.domain.errors import PictureError
from app.domain.predictions import SIDE, Digit
from app.imaging.decoding import GreyPlane
from app.imaging.normalization import normalise, read
from app.training.synthetic_images import KINDS, Dice

_AS_FILE = 0.05  # share that goes through a picture file
_FILE_KINDS = tuple(maker for kind, maker in KINDS.items() if kind != "huge")
_DIRTY = 0.4
_THICKENED = 0.4
_NUDGED = 0.3

_ROTATION_DEGREES = 14.0
_SCALING, _SHEARING = 0.15, 0.2
_ELASTIC_PIXELS, _ELASTIC_NODES = 1.3, 5  # of MNIST's 28
_CANVAS_PIXELS = (28, 72)
_MARGIN = (1.0, 1.5)  # side of the page over the side of MNIST's picture


def varied(digit: Digit, dice: Dice) -> Digit:
    """One more picture of the same digit, as imaging gives it; the digit itself if refused."""
    try:
        if dice.random() < _AS_FILE:
            return read(_FILE_KINDS[dice.integers(len(_FILE_KINDS))](digit, dice))
        plane = bent(digit, dice)
        if dice.random() < _DIRTY:
            plane = _DIRT[dice.integers(len(_DIRT))](plane, dice)
        return _nudged(normalise(plane), dice)
    except PictureError:
        return digit


def bent(digit: Digit, dice: Dice) -> GreyPlane:
    """The digit's ink in 0..1 on a larger page: turned, sheared, stretched, bent, thickened."""
    side = int(dice.integers(_CANVAS_PIXELS[0], _CANVAS_PIXELS[1] + 1))
    angle = np.deg2rad(dice.uniform(-_ROTATION_DEGREES, _ROTATION_DEGREES))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, dice.uniform(-_SHEARING, _SHEARING)], [0, 1]])
    stretch = dice.uniform(1 - _SCALING, 1 + _SCALING, 2) * dice.uniform(*_MARGIN) * SIDE / 2
    placed = np.asarray(turn @ shear * stretch, dtype=np.float32)
    across = np.linspace(-1, 1, side, dtype=np.float32)
    down = across[:, None]
    mapped = [
        by_x * across + by_y * down + np.float32(SIDE / 2 - 0.5) + pulled
        for (by_x, by_y), pulled in zip(placed, _elastic(side, dice), strict=True)
    ]
    ink = cv2.remap(digit, mapped[0], mapped[1], cv2.INTER_CUBIC)
    return _thickened(ink.astype(np.float32) / np.float32(255), dice)


def _elastic(side: int, dice: Dice) -> list[GreyPlane]:
    """How far each pixel is pulled along x and y, in MNIST's pixels: a coarse net, made smooth."""
    strength = dice.uniform(0, _ELASTIC_PIXELS)
    nodes = dice.normal(0, strength, (2, _ELASTIC_NODES, _ELASTIC_NODES)).astype(np.float32)
    return [cv2.resize(net, (side, side), interpolation=cv2.INTER_CUBIC) for net in nodes]


def _thickened(ink: GreyPlane, dice: Dice) -> GreyPlane:
    if dice.random() >= _THICKENED:
        return ink
    size = int(dice.integers(2, 3 + len(ink) // SIDE))
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    if dice.random() < 0.7:
        return np.asarray(cv2.dilate(ink, pen), dtype=np.float32)
    thin = cv2.erode(ink, pen)
    return np.asarray(thin if thin.max() > 0.5 else ink, dtype=np.float32)


def _noisy(ink: GreyPlane, dice: Dice) -> GreyPlane:
    grain = dice.standard_normal(ink.shape, dtype=np.float32)
    return np.asarray(ink + grain * np.float32(dice.uniform(0.02, 0.15)), dtype=np.float32)


def _blurred(ink: GreyPlane, dice: Dice) -> GreyPlane:
    widths = dice.uniform(0.2, 0.9, 2) * len(ink) / SIDE
    return np.asarray(cv2.GaussianBlur(ink, (0, 0), *widths), dtype=np.float32)


def _coarse(ink: GreyPlane, dice: Dice) -> GreyPlane:
    """Seen through few pixels, then enlarged."""
    few = int(dice.integers(8, 20))
    small = cv2.resize(ink, (few, few), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, ink.shape, interpolation=cv2.INTER_CUBIC), np.float32)


def _shaded(ink: GreyPlane, dice: Dice) -> GreyPlane:
    """Pale ink on paper under uneven light."""
    slope = np.linspace(-0.5, 0.5, len(ink), dtype=np.float32)
    down, across = dice.uniform(-0.4, 0.4, 2).astype(np.float32)
    light = 0.7 + down * slope[:, None] + across * slope
    return np.asarray(light * (1 - np.float32(dice.uniform(0.3, 0.8)) * ink), dtype=np.float32)


def _struck(ink: GreyPlane, dice: Dice) -> GreyPlane:
    """A stray stroke over it, thinner than the digit's own."""
    corners = dice.uniform(0, len(ink), (int(dice.integers(2, 5)), 2)).astype(np.int32)
    thickness = max(1, round(len(ink) / SIDE * dice.uniform(0.3, 1)))
    stroke = np.zeros_like(ink)
    cv2.polylines(stroke, [corners], False, dice.uniform(0.3, 1), thickness, cv2.LINE_AA)
    return np.maximum(ink, stroke)


def _spattered(ink: GreyPlane, dice: Dice) -> GreyPlane:
    """Drops beside and upon the strokes, of ink and of nothing."""
    drops = ink.copy()
    for _ in range(dice.integers(2, 12)):
        place = [int(at) for at in dice.integers(0, len(ink), 2)]
        radius = int(dice.integers(0, 1 + len(ink) // SIDE))
        grey = dice.uniform(0.5, 1) if dice.random() < 0.6 else 0.0
        cv2.circle(drops, place, radius, grey, -1, cv2.LINE_AA)
    return drops


_DIRT: tuple[Callable[[GreyPlane, Dice], GreyPlane], ...] = (
    _noisy,
    _blurred,
    _coarse,
    _shaded,
    _struck,
    _spattered,
)


def _nudged(digit: Digit, dice: Dice) -> Digit:
    """Moved by one pixel: dirt moves the centre of mass a little. The border of 28x28 is empty."""
    if dice.random() >= _NUDGED:
        return digit
    down, across = dice.integers(-1, 2, 2)
    return np.roll(digit, (down, across), axis=(0, 1))
