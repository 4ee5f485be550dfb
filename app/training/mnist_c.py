"""MNIST-C's fifteen corruptions of a digit, with dice; nothing is measured or trained here.

Made here after Norman Mu and Justin Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision"
(2019): what is done, and how strongly, is the benchmark's; the code is not. Each corruption takes
a digit uint8 (28, 28), light ink on dark, and gives another. Planes hold grey values in 0..1;
lengths are in pixels, angles in radians.
"""

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from app.domain.predictions import SIDE, Digit

Dice = np.random.Generator
_Plane = npt.NDArray[np.float64]
_Point = tuple[float, float]

_SHAPE = (SIDE, SIDE)


def shot_noise(digit: Digit, dice: Dice) -> Digit:
    """Too little light: white is 3 photons on average, and each pixel counts its own."""
    photons = 3
    return _digit(dice.poisson(_greys(digit) * photons) / photons)


def impulse_noise(digit: Digit, dice: Dice) -> Digit:
    """Salt and pepper on 17 % of the pixels, half of it each."""
    luck = dice.random(_SHAPE)
    salted = np.where(luck < 0.17 / 2, np.uint8(255), digit)
    return np.where(luck > 1 - 0.17 / 2, np.uint8(0), salted)


def glass_blur(digit: Digit, dice: Dice) -> Digit:
    """Frosted glass: blurred, then two sweeps swap pixels with their neighbours, blurred again."""
    sigma = 0.7
    pixels = bytearray((_blurred(_greys(digit), sigma) * 255).astype(np.uint8).tobytes())
    rows, columns = np.mgrid[SIDE - 1 : 1 : -1, SIDE - 1 : 1 : -1]
    places = (SIDE * rows + columns).ravel()
    for _ in range(2):
        up, left = dice.integers(0, 2, (2, places.size))
        swapped = dice.random(places.size) < 0.5
        pairs = np.column_stack([places, places - SIDE * up - left])[swapped]
        for one, other in pairs.tolist():  # in this order: a pixel may be taken along
            pixels[one], pixels[other] = pixels[other], pixels[one]
    frosted = np.frombuffer(pixels, dtype=np.uint8).reshape(_SHAPE)
    return _digit(_blurred(_greys(frosted), sigma))


def motion_blur(digit: Digit, dice: Dice) -> Digit:
    """A hand that shook: smeared one way, by half a Gaussian, at most 45 degrees off level."""
    sigma, reach = 3, 20
    angle = dice.uniform(-np.pi / 4, np.pi / 4)
    steps = np.arange(reach + 1)
    across, down = np.rint(np.outer([np.cos(angle), np.sin(angle)], steps)).astype(int)
    trail = np.zeros((2 * reach + 1, 2 * reach + 1))
    np.add.at(trail, (reach + down, reach + across), np.exp(-0.5 * (steps / sigma) ** 2))
    trail /= trail.sum()
    smeared = cv2.filter2D(_greys(digit), -1, trail, borderType=cv2.BORDER_REPLICATE)
    return _digit(np.asarray(smeared, dtype=np.float64))


def shear(digit: Digit, dice: Dice) -> Digit:
    """Slanted by 0.4, to the left or to the right."""
    angle = 0.4 * dice.choice([-1, 1])
    return _warped(digit, [[1, -np.sin(angle)], [0, np.cos(angle)]])


def scale(digit: Digit, _dice: Dice) -> Digit:
    """Shrunk to 0.7 of its size."""
    return _warped(digit, [[1 / 0.7, 0], [0, 1 / 0.7]])


def rotate(digit: Digit, dice: Dice) -> Digit:
    """Turned by 0.4, to the left or to the right."""
    angle = 0.4 * dice.choice([-1, 1])
    return _warped(digit, [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def brightness(digit: Digit, _dice: Dice) -> Digit:
    """Lighter by half the range, ink and ground."""
    return _digit(_greys(digit) + 0.5)


def translate(digit: Digit, dice: Dice) -> Digit:
    """Moved by 3 across and by 3 down or up."""
    far = 3
    top, left = dice.choice([0, 2 * far], 2)
    return np.pad(digit, far)[top : top + SIDE, left : left + SIDE]


def stripe(digit: Digit, _dice: Dice) -> Digit:
    """Light and dark exchanged in the left quarter and in the right one."""
    quarter = SIDE // 4
    striped = digit.copy()
    striped[:, :quarter] = 255 - digit[:, :quarter]
    striped[:, -quarter:] = 255 - digit[:, -quarter:]
    return striped


def fog(digit: Digit, dice: Dice) -> Digit:
    """Behind a cloud up to three times as bright as white, then darkened until both fit."""
    density = 3
    ink = _greys(digit)
    white = ink.max()
    return _digit((ink + density * _cloud(dice)) * white / (white + density))


def spatter(digit: Digit, dice: Dice) -> Digit:
    """Drops of mud, dark grey, on ink and ground."""
    level, grey = 0.65, 63 / 255
    drops = _blurred(dice.normal(level, 0.3, _SHAPE), 1) > level
    mud = _blurred(drops.astype(np.float64), 1.5)
    mud[mud < 0.8] = 0
    return _digit(_greys(digit) * (1 - mud) + grey * mud)


def dotted_line(digit: Digit, dice: Dice) -> Digit:
    """A straight line from edge to edge, there and not there by two columns each."""
    last = SIDE - 1
    first_row, last_row = dice.integers(0, last, 2)
    line = _line((0, first_row), (last, last_row))
    line[:, np.arange(SIDE) % 4 < 2] = 0
    return _digit(_greys(digit) + line)


def zigzag(digit: Digit, dice: Dice) -> Digit:
    """A line from column 2 to column 25, at most 5 rows askew, that swings by 2 to either side."""
    row, rise = dice.integers(0, SIDE - 1), dice.integers(-5, 5)
    column, run = 2, 23
    length = np.hypot(run, rise)
    along = np.array([0, 2, 6, 10, 14, 18, 22, length])
    aside = np.array([0, 2, -2, 2, -2, 2, -2, -1 / 3])
    columns = column + (run * along - rise * aside) / length
    rows = row + (rise * along + run * aside) / length
    plane = _greys(digit)
    for start, end in pairwise(zip(columns, rows, strict=True)):
        plane += _line(start, end)
    return _digit(plane)


def canny_edges(digit: Digit, _dice: Dice) -> Digit:
    """The edges of the ink, white on black, as Canny's detector finds them."""
    unit = 8 * 255  # of the slopes, which the detector takes in whole numbers
    smooth = _blurred(_greys(digit), 1) * unit
    across = np.rint(cv2.Sobel(smooth, -1, 1, 0)).astype(np.int16)
    down = np.rint(cv2.Sobel(smooth, -1, 0, 1)).astype(np.int16)
    edges = cv2.Canny(across, down, 0.1 * unit, 0.2 * unit, L2gradient=True)
    inner = np.asarray(edges, dtype=np.uint8)[1:-1, 1:-1]  # the outermost have no slopes to trust
    return np.pad(inner, 1)


_MAKERS = (
    shot_noise,
    impulse_noise,
    glass_blur,
    motion_blur,
    shear,
    scale,
    rotate,
    brightness,
    translate,
    stripe,
    fog,
    spatter,
    dotted_line,
    zigzag,
    canny_edges,
)

CORRUPTIONS: dict[str, Callable[[Digit, Dice], Digit]] = {
    maker.__name__: maker for maker in _MAKERS
}


def _greys(digit: Digit) -> _Plane:
    """The digit's grey values in 0..1."""
    return digit / np.float64(255)


def _digit(plane: _Plane) -> Digit:
    """Grey values as a digit holds them, cut off at black and white."""
    return np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)


def _blurred(plane: _Plane, sigma: float) -> _Plane:
    """Smoothed by a Gaussian; beyond the edge all goes on as at the edge."""
    blurred = cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.float64)


def _warped(digit: Digit, sources: list[list[float]]) -> Digit:
    """Moved about the centre, by the matrix (2, 2) that leads each new place to its old one."""
    matrix, centre = np.array(sources), np.full(2, (SIDE - 1) / 2)
    whole = np.column_stack([matrix, centre - matrix @ centre])
    warped = cv2.warpAffine(digit, whole, _SHAPE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(warped, dtype=np.uint8)


def _line(start: _Point, end: _Point) -> _Plane:
    """White between two points (column, row), the first one left; it fades above and below."""
    (left, top), (right, bottom) = start, end
    columns, rows = np.arange(SIDE), np.arange(SIDE)[:, np.newaxis]
    middle = top + (bottom - top) / (right - left) * (columns - left)
    distance = np.minimum(np.abs(rows - middle), 2)
    line = np.maximum(1 + np.log(1 - distance / 2.3), 0)
    line[:, (columns < np.floor(left)) | (columns >= np.ceil(right))] = 0
    return np.asarray(line, dtype=np.float64)


def _cloud(dice: Dice) -> _Plane:
    """A corner of a cloud 256 pixels wide, in shares of the range that the whole cloud has.

    The whole is made to an eighth of its size only: what is finer hardly widens the range.
    """
    swings = 1.4 ** (-2 * np.arange(8))
    cloud = np.zeros((1, 1))
    for swing in swings[:5]:
        cloud = _finer(cloud, swing, dice)
    lowest, span = cloud.min(), np.ptp(cloud)
    cloud = np.roll(cloud, 1, (0, 1))[:6, :6]  # ours are the 4 in the middle
    for swing in swings[5:]:
        cloud = _finer(cloud, swing, dice)
    return np.asarray((cloud[8 : 8 + SIDE, 8 : 8 + SIDE] - lowest) / span, dtype=np.float64)


def _finer(cloud: _Plane, swing: float, dice: Dice) -> _Plane:
    """Twice as wide, by diamonds and squares: new pixels swing about their neighbours' mean."""
    size = len(cloud)
    swings = dice.uniform(-swing, swing, (3, size, size))
    below, right = np.roll(cloud, -1, 0), np.roll(cloud, -1, 1)
    middle = (cloud + below + right + np.roll(below, -1, 1)) / 4 + swings[0]
    finer = np.empty((2 * size, 2 * size))
    finer[::2, ::2], finer[1::2, 1::2] = cloud, middle
    finer[::2, 1::2] = (cloud + right + middle + np.roll(middle, 1, 0)) / 4 + swings[1]
    finer[1::2, ::2] = (cloud + below + middle + np.roll(middle, 1, 1)) / 4 + swings[2]
    return finer
