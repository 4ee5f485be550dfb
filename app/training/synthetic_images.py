"""Synthetic image files of many kinds, rendered from MNIST's digits.

Used to measure the accuracy on each kind, and for augmentation. Each renderer takes a digit uint8
(28, 28), light ink on dark, and a random generator, and returns the bytes of an image file.
"""

import io
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image

from app.domain.predictions import DigitImage

_GrayArray = npt.NDArray[np.float32]


def photograph(digit: DigitImage, rng: Generator) -> bytes:
    """Render a phone photograph: shading, vignette, blur, noise, JPEG; half on ruled paper."""
    height, width = 240, 320
    ink = _place_on_page(_enlarge(digit, int(rng.integers(90, 200))), height, width, rng)
    light = _uneven_light(height, width, rng)
    contrast = rng.uniform(0.45, 0.8)
    page = light * (1 - contrast * ink)
    if rng.random() < 0.5:
        page = np.minimum(page, light * (1 - _ruled_lines(height, width, contrast, rng)))
    page = cv2.GaussianBlur(page, (0, 0), rng.uniform(0.6, 1.8))
    page = page + rng.normal(0, rng.uniform(0.005, 0.03), page.shape)
    tint = rng.uniform(0.85, 1.0, 3)
    return encode_image(np.dstack([page * share for share in tint]), "JPEG", quality=80)


def drawing(digit: DigitImage, rng: Generator) -> bytes:
    """Render black on white, at any size and position on the canvas."""
    side = int(rng.integers(150, 600))
    ink = _enlarge(digit, int(side * rng.uniform(0.15, 0.95)))
    return encode_image(1 - _place_on_page(ink, side, side, rng), "PNG")


def transparent(digit: DigitImage, rng: Generator) -> bytes:
    """Render ink of one color, dark or light, on a transparent background."""
    ink = _place_on_page(_enlarge(digit, 140), 200, 200, rng)
    color = rng.uniform(0, 0.4, 3) if rng.random() < 0.5 else rng.uniform(0.7, 1.0, 3)
    painted = np.broadcast_to(color, (*ink.shape, 3))
    return encode_image(np.dstack([painted, ink]), "PNG")


def framed(digit: DigitImage, rng: Generator) -> bytes:
    """Render black on white in a black frame, at the edge or in a margin, or between two bars."""
    page = 1 - _place_on_page(_enlarge(digit, 110), 160, 160, rng)
    if rng.random() < 0.5:
        none, bars = (0, 0), (int(rng.integers(20, 50)),) * 2
        sides = (none, bars) if rng.random() < 0.5 else (bars, none)
        return encode_image(np.pad(page, sides), "PNG")
    inner = np.pad(page, int(rng.integers(1, 7)))
    return encode_image(np.pad(inner, int(rng.integers(0, 10)), constant_values=1), "PNG")


def inverted(digit: DigitImage, rng: Generator) -> bytes:
    """Render MNIST's own image inverted, in any of the lossless formats."""
    kind = str(rng.choice(["PNG", "BMP", "GIF", "TIFF"]))
    return encode_image(1 - digit.astype(np.float32) / 255, kind)


def tiny(digit: DigitImage, rng: Generator) -> bytes:
    """Render with fewer pixels than MNIST: 16 to 24 a side."""
    side = int(rng.integers(16, 25))
    small = cv2.resize(digit, (side, side), interpolation=cv2.INTER_AREA)
    return encode_image(1 - small.astype(np.float32) / 255, "PNG")


def huge(digit: DigitImage, rng: Generator) -> bytes:
    """Render close to the limit of 4 million pixels, as a JPEG."""
    height, width = int(rng.integers(1200, 1800)), 2200
    ink = _place_on_page(_enlarge(digit, int(height * rng.uniform(0.3, 0.9))), height, width, rng)
    return encode_image(0.95 - 0.85 * ink, "JPEG", quality=85)


_FUNCTIONS = (photograph, drawing, transparent, framed, inverted, tiny, huge)

RENDERERS: dict[str, Callable[[DigitImage, Generator], bytes]] = {
    maker.__name__: maker for maker in _FUNCTIONS
}


def _enlarge(digit: DigitImage, side: int) -> _GrayArray:
    """Enlarge the digit smoothly; return its ink in 0..1."""
    gray = digit.astype(np.float32) / np.float32(255)
    return np.clip(cv2.resize(gray, (side, side), interpolation=cv2.INTER_CUBIC), 0, 1)


def _place_on_page(ink: _GrayArray, height: int, width: int, rng: Generator) -> _GrayArray:
    """Place the ink at a random position on a blank page."""
    side = ink.shape[0]
    page = np.zeros((height, width), dtype=np.float32)
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    page[top : top + side, left : left + side] = ink
    return page


def _uneven_light(height: int, width: int, rng: Generator) -> _GrayArray:
    """Return light from one side with a vignette."""
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    slope, fade = rng.uniform(-0.18, 0.18, 2), rng.uniform(0, 0.12)
    light = 0.78 + slope[0] * down + slope[1] * across - fade * (down**2 + across**2)
    return np.asarray(np.clip(light, 0.2, 1), dtype=np.float32)


def _ruled_lines(height: int, width: int, contrast: float, rng: Generator) -> _GrayArray:
    """Return the lines of ruled paper, slightly tilted, paler than the ink."""
    rules = np.zeros((height, width), dtype=np.float32)
    pale = contrast * rng.uniform(0.3, 0.7)
    tilt = int(rng.integers(-4, 5))
    for row in range(int(rng.integers(5, 30)), height, int(rng.integers(25, 45))):
        cv2.line(rules, (0, row), (width, row + tilt), pale, 1, cv2.LINE_AA)
    return rules


def encode_image(gray: npt.NDArray[np.floating], kind: str, **options: int) -> bytes:
    """Encode gray values in 0..1 (height, width), or colors (height, width, channels).

    PNG is compressed with the fastest level: the pixels are the same, and the file is read once.
    """
    file = io.BytesIO()
    pixels = np.rint(np.clip(gray, 0, 1) * 255).astype(np.uint8)
    quick = {"compress_level": 1} if kind == "PNG" else {}
    Image.fromarray(pixels).save(file, kind, **quick, **options)
    return file.getvalue()
