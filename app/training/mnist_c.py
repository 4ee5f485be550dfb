"""MNIST-C's fifteen corruptions of a digit, each with a random generator.

Implemented after Norman Mu and Justin Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision"
(2019): the transformations and their severity are the benchmark's, the code is not. Each corruption
takes a digit uint8 (28, 28), light ink on dark, and returns another. Gray arrays are in 0..1;
lengths are in pixels, angles in radians.
"""

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from app.domain.predictions import IMAGE_SIZE, DigitImage

_GrayArray = npt.NDArray[np.float64]
_Point = tuple[float, float]

_SHAPE = (IMAGE_SIZE, IMAGE_SIZE)


def shot_noise(digit: DigitImage, rng: Generator) -> DigitImage:
    """Simulate low light: white is 3 photons on average, and each pixel is a Poisson count."""
    photons = 3
    return _to_digit(rng.poisson(_to_gray(digit) * photons) / photons)


def impulse_noise(digit: DigitImage, rng: Generator) -> DigitImage:
    """Set 17 % of the pixels to white or black, half each."""
    uniform = rng.random(_SHAPE)
    salted = np.where(uniform < 0.17 / 2, np.uint8(255), digit)
    return np.where(uniform > 1 - 0.17 / 2, np.uint8(0), salted)


def glass_blur(digit: DigitImage, rng: Generator) -> DigitImage:
    """Simulate frosted glass: blur, swap pixels with neighbors in two sweeps, blur again."""
    sigma = 0.7
    pixels = bytearray((_gaussian_blur(_to_gray(digit), sigma) * 255).astype(np.uint8).tobytes())
    rows, columns = np.mgrid[IMAGE_SIZE - 1 : 1 : -1, IMAGE_SIZE - 1 : 1 : -1]
    places = (IMAGE_SIZE * rows + columns).ravel()
    for _ in range(2):
        up, left = rng.integers(0, 2, (2, places.size))
        swapped = rng.random(places.size) < 0.5
        pairs = np.column_stack([places, places - IMAGE_SIZE * up - left])[swapped]
        for one, other in pairs.tolist():  # in this order: a pixel may move repeatedly
            pixels[one], pixels[other] = pixels[other], pixels[one]
    frosted = np.frombuffer(pixels, dtype=np.uint8).reshape(_SHAPE)
    return _to_digit(_gaussian_blur(_to_gray(frosted), sigma))


def motion_blur(digit: DigitImage, rng: Generator) -> DigitImage:
    """Smear in one direction by half a Gaussian, at most 45 degrees from horizontal."""
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
    """Shear by 0.4, to the left or to the right."""
    angle = 0.4 * rng.choice([-1, 1])
    return _warp(digit, [[1, -np.sin(angle)], [0, np.cos(angle)]])


def scale(digit: DigitImage, _rng: Generator) -> DigitImage:
    """Shrink to 0.7 of the size."""
    return _warp(digit, [[1 / 0.7, 0], [0, 1 / 0.7]])


def rotate(digit: DigitImage, rng: Generator) -> DigitImage:
    """Rotate by 0.4, to the left or to the right."""
    angle = 0.4 * rng.choice([-1, 1])
    return _warp(digit, [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def brightness(digit: DigitImage, _rng: Generator) -> DigitImage:
    """Brighten ink and background by half the range."""
    return _to_digit(_to_gray(digit) + 0.5)


def translate(digit: DigitImage, rng: Generator) -> DigitImage:
    """Move by 3 to the left or right and by 3 up or down."""
    shift = 3
    top, left = rng.choice([0, 2 * shift], 2)
    return np.pad(digit, shift)[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]


def stripe(digit: DigitImage, _rng: Generator) -> DigitImage:
    """Invert the left and the right quarter."""
    quarter = IMAGE_SIZE // 4
    striped = digit.copy()
    striped[:, :quarter] = 255 - digit[:, :quarter]
    striped[:, -quarter:] = 255 - digit[:, -quarter:]
    return striped


def fog(digit: DigitImage, rng: Generator) -> DigitImage:
    """Add a cloud up to three times as bright as white, then darken to the original range."""
    density = 3
    ink = _to_gray(digit)
    white = ink.max()
    return _to_digit((ink + density * _plasma_cloud(rng)) * white / (white + density))


def spatter(digit: DigitImage, rng: Generator) -> DigitImage:
    """Add dark gray drops of mud on ink and background."""
    level, gray = 0.65, 63 / 255
    drops = _gaussian_blur(rng.normal(level, 0.3, _SHAPE), 1) > level
    mud = _gaussian_blur(drops.astype(np.float64), 1.5)
    mud[mud < 0.8] = 0
    return _to_digit(_to_gray(digit) * (1 - mud) + gray * mud)


def dotted_line(digit: DigitImage, rng: Generator) -> DigitImage:
    """Add a straight line from edge to edge, two columns on and two off."""
    last = IMAGE_SIZE - 1
    first_row, last_row = rng.integers(0, last, 2)
    line = _draw_line((0, first_row), (last, last_row))
    line[:, np.arange(IMAGE_SIZE) % 4 < 2] = 0
    return _to_digit(_to_gray(digit) + line)


def zigzag(digit: DigitImage, rng: Generator) -> DigitImage:
    """Add a zigzag from column 2 to 25, at most 5 rows off horizontal, with amplitude 2."""
    row, rise = rng.integers(0, IMAGE_SIZE - 1), rng.integers(-5, 5)
    column, run = 2, 23
    length = np.hypot(run, rise)
    along = np.array([0, 2, 6, 10, 14, 18, 22, length])
    aside = np.array([0, 2, -2, 2, -2, 2, -2, -1 / 3])
    columns = column + (run * along - rise * aside) / length
    rows = row + (rise * along + run * aside) / length
    gray = _to_gray(digit)
    for start, end in pairwise(zip(columns, rows, strict=True)):
        gray += _draw_line(start, end)
    return _to_digit(gray)


def canny_edges(digit: DigitImage, _rng: Generator) -> DigitImage:
    """Return the edges of the ink, white on black, found by Canny's detector."""
    unit = 8 * 255  # scale of the gradients, which the detector takes as integers
    smooth = _gaussian_blur(_to_gray(digit), 1) * unit
    across = np.rint(cv2.Sobel(smooth, -1, 1, 0)).astype(np.int16)
    down = np.rint(cv2.Sobel(smooth, -1, 0, 1)).astype(np.int16)
    edges = cv2.Canny(across, down, 0.1 * unit, 0.2 * unit, L2gradient=True)
    inner = np.asarray(edges, dtype=np.uint8)[
        1:-1, 1:-1
    ]  # gradients of the outermost are unreliable
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


def _to_gray(digit: DigitImage) -> _GrayArray:
    """Return the digit's gray values in 0..1."""
    return digit / np.float64(255)


def _to_digit(gray: _GrayArray) -> DigitImage:
    """Convert gray values to a digit image, clipped at black and white."""
    return np.rint(np.clip(gray, 0, 1) * 255).astype(np.uint8)


def _gaussian_blur(gray: _GrayArray, sigma: float) -> _GrayArray:
    """Apply a Gaussian blur, with the edge replicated."""
    blurred = cv2.GaussianBlur(gray, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.float64)


def _warp(digit: DigitImage, sources: list[list[float]]) -> DigitImage:
    """Transform about the center by the matrix (2, 2) that maps new positions to old ones."""
    matrix, center = np.array(sources), np.full(2, (IMAGE_SIZE - 1) / 2)
    whole = np.column_stack([matrix, center - matrix @ center])
    warped = cv2.warpAffine(digit, whole, _SHAPE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(warped, dtype=np.uint8)


def _draw_line(start: _Point, end: _Point) -> _GrayArray:
    """Draw a white line between two points (column, row), the left one first, with soft edges."""
    (left, top), (right, bottom) = start, end
    columns, rows = np.arange(IMAGE_SIZE), np.arange(IMAGE_SIZE)[:, np.newaxis]
    middle = top + (bottom - top) / (right - left) * (columns - left)
    distance = np.minimum(np.abs(rows - middle), 2)
    line = np.maximum(1 + np.log(1 - distance / 2.3), 0)
    line[:, (columns < np.floor(left)) | (columns >= np.ceil(right))] = 0
    return np.asarray(line, dtype=np.float64)


def _plasma_cloud(rng: Generator) -> _GrayArray:
    """Return a corner of a plasma cloud 256 pixels wide, normalized by the whole cloud's range.

    The whole is generated only to an eighth of its size: finer detail hardly widens the range.
    """
    swings = 1.4 ** (-2 * np.arange(8))
    cloud = np.zeros((1, 1))
    for swing in swings[:5]:
        cloud = _refine_cloud(cloud, swing, rng)
    lowest, span = cloud.min(), np.ptp(cloud)
    cloud = np.roll(cloud, 1, (0, 1))[:6, :6]  # the 4 in the middle are used
    for swing in swings[5:]:
        cloud = _refine_cloud(cloud, swing, rng)
    return np.asarray(
        (cloud[8 : 8 + IMAGE_SIZE, 8 : 8 + IMAGE_SIZE] - lowest) / span, dtype=np.float64
    )


def _refine_cloud(cloud: _GrayArray, swing: float, rng: Generator) -> _GrayArray:
    """Double the width by the diamond-square algorithm: neighbors' mean plus noise."""
    size = len(cloud)
    swings = rng.uniform(-swing, swing, (3, size, size))
    below, right = np.roll(cloud, -1, 0), np.roll(cloud, -1, 1)
    middle = (cloud + below + right + np.roll(below, -1, 1)) / 4 + swings[0]
    finer = np.empty((2 * size, 2 * size))
    finer[::2, ::2], finer[1::2, 1::2] = cloud, middle
    finer[::2, 1::2] = (cloud + right + middle + np.roll(middle, 1, 0)) / 4 + swings[1]
    finer[1::2, ::2] = (cloud + below + middle + np.roll(middle, 1, 1)) / 4 + swings[2]
    return finer
