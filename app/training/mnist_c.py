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
from numpy.random import Generator

from app.domain.predictions import IMAGE_SIZE, DigitImage

_Plane = npt.NDArray[np.float64]
_Point = tuple[float, float]

_SHAPE = (IMAGE_SIZE, IMAGE_SIZE)


def shot_noise(digit: DigitImage, rng: Generator) -> DigitImage:
    """Too little light: white is 3 photons on average, and each pixel counts its own."""
    photons = 3
    return _to_digit(rng.poisson(_to_gray(digit) * photons) / photons)


def impulse_noise(digit: DigitImage, rng: Generator) -> DigitImage:
    """Salt and pepper on 17 % of the pixels, half of it each."""
    luck = rng.random(_SHAPE)
    salted = np.where(luck < 0.17 / 2, np.uint8(255), digit)
    return np.where(luck > 1 - 0.17 / 2, np.uint8(0), salted)


def glass_blur(digit: DigitImage, rng: Generator) -> DigitImage:
    """Frosted glass: blurred, then two sweeps swap pixels with their neighbours, blurred again."""
    sigma = 0.7
    pixels = bytearray((_gaussian_blur(_to_gray(digit), sigma) * 255).astype(np.uint8).tobytes())
    rows, columns = np.mgrid[IMAGE_SIZE - 1 : 1 : -1, IMAGE_SIZE - 1 : 1 : -1]
    places = (IMAGE_SIZE * rows + columns).ravel()
    for _ in range(2):
        up, left = rng.integers(0, 2, (2, places.size))
        swapped = rng.random(places.size) < 0.5
        pairs = np.column_stack([places, places - IMAGE_SIZE * up - left])[swapped]
        for one, other in pairs.tolist():  # in this order: a pixel may be taken along
            pixels[one], pixels[other] = pixels[other], pixels[one]
    frosted = np.frombuffer(pixels, dtype=np.uint8).reshape(_SHAPE)
    return _to_digit(_gaussian_blur(_to_gray(frosted), sigma))


def motion_blur(digit: DigitImage, rng: Generator) -> DigitImage:
    """A hand that shook: smeared one way, by half a Gaussian, at most 45 degrees off level."""
    sigma, reach = 3, 20
    angle = rng.uniform(-np.pi / 4, np.pi / 4)
    steps = np.arange(reach + 1)
    across, down = np.rint(np.outer([np.cos(angle), np.sin(angle)], steps)).astype(int)
    trail = np.zeros((2 * reach + 1, 2 * reach + 1))
    np.add.at(trail, (reach + down, reach + across), np.exp(-0.5 * (steps / sigma) ** 2))
    trail /= trail.sum()
    smeared = cv2.filter2D(_to_gray(digit), -1, trail, borderType=cv2.BORDER_REPLICATE)
    return _to_digit(np.asarray(smeared, dtype=np.float64))


def shear(digit: DigitImage, rng: Generator) -> DigitImage:
    """Slanted by 0.4, to the left or to the right."""
    angle = 0.4 * rng.choice([-1, 1])
    return _warp(digit, [[1, -np.sin(angle)], [0, np.cos(angle)]])


def scale(digit: DigitImage, _rng: Generator) -> DigitImage:
    """Shrunk to 0.7 of its size."""
    return _warp(digit, [[1 / 0.7, 0], [0, 1 / 0.7]])


def rotate(digit: DigitImage, rng: Generator) -> DigitImage:
    """Turned by 0.4, to the left or to the right."""
    angle = 0.4 * rng.choice([-1, 1])
    return _warp(digit, [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def brightness(digit: DigitImage, _rng: Generator) -> DigitImage:
    """Lighter by half the range, ink and ground."""
    return _to_digit(_to_gray(digit) + 0.5)


def translate(digit: DigitImage, rng: Generator) -> DigitImage:
    """Moved by 3 across and by 3 down or up."""
    far = 3
    top, left = rng.choice([0, 2 * far], 2)
    return np.pad(digit, far)[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]


def stripe(digit: DigitImage, _rng: Generator) -> DigitImage:
    """Light and dark exchanged in the left quarter and in the right one."""
    quarter = IMAGE_SIZE // 4
    striped = digit.copy()
    striped[:, :quarter] = 255 - digit[:, :quarter]
    striped[:, -quarter:] = 255 - digit[:, -quarter:]
    return striped


def fog(digit: DigitImage, rng: Generator) -> DigitImage:
    """Behind a cloud up to three times as bright as white, then darkened until both fit."""
    density = 3
    ink = _to_gray(digit)
    white = ink.max()
    return _to_digit((ink + density * _plasma_cloud(rng)) * white / (white + density))


def spatter(digit: DigitImage, rng: Generator) -> DigitImage:
    """Drops of mud, dark grey, on ink and ground."""
    level, grey = 0.65, 63 / 255
    drops = _gaussian_blur(rng.normal(level, 0.3, _SHAPE), 1) > level
    mud = _gaussian_blur(drops.astype(np.float64), 1.5)
    mud[mud < 0.8] = 0
    return _to_digit(_to_gray(digit) * (1 - mud) + grey * mud)


def dotted_line(digit: DigitImage, rng: Generator) -> DigitImage:
    """A straight line from edge to edge, there and not there by two columns each."""
    last = IMAGE_SIZE - 1
    first_row, last_row = rng.integers(0, last, 2)
    line = _draw_line((0, first_row), (last, last_row))
    line[:, np.arange(IMAGE_SIZE) % 4 < 2] = 0
    return _to_digit(_to_gray(digit) + line)


def zigzag(digit: DigitImage, rng: Generator) -> DigitImage:
    """A line from column 2 to column 25, at most 5 rows askew, that swings by 2 to either side."""
    row, rise = rng.integers(0, IMAGE_SIZE - 1), rng.integers(-5, 5)
    column, run = 2, 23
    length = np.hypot(run, rise)
    along = np.array([0, 2, 6, 10, 14, 18, 22, length])
    aside = np.array([0, 2, -2, 2, -2, 2, -2, -1 / 3])
    columns = column + (run * along - rise * aside) / length
    rows = row + (rise * along + run * aside) / length
    plane = _to_gray(digit)
    for start, end in pairwise(zip(columns, rows, strict=True)):
        plane += _draw_line(start, end)
    return _to_digit(plane)


def canny_edges(digit: DigitImage, _rng: Generator) -> DigitImage:
    """The edges of the ink, white on black, as Canny's detector finds them."""
    unit = 8 * 255  # of the slopes, which the detector takes in whole numbers
    smooth = _gaussian_blur(_to_gray(digit), 1) * unit
    across = np.rint(cv2.Sobel(smooth, -1, 1, 0)).astype(np.int16)
    down = np.rint(cv2.Sobel(smooth, -1, 0, 1)).astype(np.int16)
    edges = cv2.Canny(across, down, 0.1 * unit, 0.2 * unit, L2gradient=True)
    inner = np.asarray(edges, dtype=np.uint8)[1:-1, 1:-1]  # the outermost have no slopes to trust
    return np.pad(inner, 1)


_FUNCTIONS = (
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

CORRUPTIONS: dict[str, Callable[[DigitImage, Generator], DigitImage]] = {
    maker.__name__: maker for maker in _FUNCTIONS
}


def _to_gray(digit: DigitImage) -> _Plane:
    """The digit's grey values in 0..1."""
    return digit / np.float64(255)


def _to_digit(plane: _Plane) -> DigitImage:
    """Grey values as a digit holds them, cut off at black and white."""
    return np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)


def _gaussian_blur(plane: _Plane, sigma: float) -> _Plane:
    """Smoothed by a Gaussian; beyond the edge all goes on as at the edge."""
    blurred = cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.float64)


def _warp(digit: DigitImage, sources: list[list[float]]) -> DigitImage:
    """Moved about the centre, by the matrix (2, 2) that leads each new place to its old one."""
    matrix, centre = np.array(sources), np.full(2, (IMAGE_SIZE - 1) / 2)
    whole = np.column_stack([matrix, centre - matrix @ centre])
    warped = cv2.warpAffine(digit, whole, _SHAPE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(warped, dtype=np.uint8)


def _draw_line(start: _Point, end: _Point) -> _Plane:
    """White between two points (column, row), the first one left; it fades above and below."""
    (left, top), (right, bottom) = start, end
    columns, rows = np.arange(IMAGE_SIZE), np.arange(IMAGE_SIZE)[:, np.newaxis]
    middle = top + (bottom - top) / (right - left) * (columns - left)
    distance = np.minimum(np.abs(rows - middle), 2)
    line = np.maximum(1 + np.log(1 - distance / 2.3), 0)
    line[:, (columns < np.floor(left)) | (columns >= np.ceil(right))] = 0
    return np.asarray(line, dtype=np.float64)


def _plasma_cloud(rng: Generator) -> _Plane:
    """A corner of a cloud 256 pixels wide, in shares of the range that the whole cloud has.

    The whole is made to an eighth of its size only: what is finer hardly widens the range.
    """
    swings = 1.4 ** (-2 * np.arange(8))
    cloud = np.zeros((1, 1))
    for swing in swings[:5]:
        cloud = _refine_cloud(cloud, swing, rng)
    lowest, span = cloud.min(), np.ptp(cloud)
    cloud = np.roll(cloud, 1, (0, 1))[:6, :6]  # ours are the 4 in the middle
    for swing in swings[5:]:
        cloud = _refine_cloud(cloud, swing, rng)
    return np.asarray(
        (cloud[8 : 8 + IMAGE_SIZE, 8 : 8 + IMAGE_SIZE] - lowest) / span, dtype=np.float64
    )


def _refine_cloud(cloud: _Plane, swing: float, rng: Generator) -> _Plane:
    """Twice as wide, by diamonds and squares: new pixels swing about their neighbours' mean."""
    size = len(cloud)
    swings = rng.uniform(-swing, swing, (3, size, size))
    below, right = np.roll(cloud, -1, 0), np.roll(cloud, -1, 1)
    middle = (cloud + below + right + np.roll(below, -1, 1)) / 4 + swings[0]
    finer = np.empty((2 * size, 2 * size))
    finer[::2, ::2], finer[1::2, 1::2] = cloud, middle
    finer[::2, 1::2] = (cloud + right + middle + np.roll(middle, 1, 0)) / 4 + swings[1]
    finer[1::2, ::2] = (cloud + below + middle + np.roll(middle, 1, 1)) / 4 + swings[2]
    return finer
