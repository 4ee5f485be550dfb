"""Pictures of digits as people send them, made from MNIST's: files of many kinds, with dice.

Used to measure how well each kind is read. Each maker takes a digit uint8 (28, 28), light ink on
dark, and gives the bytes of a picture file.
"""

import io
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image

from app.domain.predictions import DigitImage

_Plane = npt.NDArray[np.float32]


def photograph(digit: DigitImage, rng: Generator) -> bytes:
    """Pen on paper under a lamp, by phone: shading, vignette, blur, noise, JPEG; half are ruled."""
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
    """Black on white, of any size, anywhere on the canvas."""
    side = int(rng.integers(150, 600))
    ink = _enlarge(digit, int(side * rng.uniform(0.15, 0.95)))
    return encode_image(1 - _place_on_page(ink, side, side, rng), "PNG")


def transparent(digit: DigitImage, rng: Generator) -> bytes:
    """Ink of one colour, dark or light, on nothing at all."""
    ink = _place_on_page(_enlarge(digit, 140), 200, 200, rng)
    colour = rng.uniform(0, 0.4, 3) if rng.random() < 0.5 else rng.uniform(0.7, 1.0, 3)
    painted = np.broadcast_to(colour, (*ink.shape, 3))
    return encode_image(np.dstack([painted, ink]), "PNG")


def framed(digit: DigitImage, rng: Generator) -> bytes:
    """Black on white in a black frame, at the edge or in a margin, or between two black bars."""
    page = 1 - _place_on_page(_enlarge(digit, 110), 160, 160, rng)
    if rng.random() < 0.5:
        none, bars = (0, 0), (int(rng.integers(20, 50)),) * 2
        sides = (none, bars) if rng.random() < 0.5 else (bars, none)
        return encode_image(np.pad(page, sides), "PNG")
    inner = np.pad(page, int(rng.integers(1, 7)))
    return encode_image(np.pad(inner, int(rng.integers(0, 10)), constant_values=1), "PNG")


def inverted(digit: DigitImage, rng: Generator) -> bytes:
    """MNIST's own picture with dark and light exchanged, in any of the formats that keep it."""
    kind = str(rng.choice(["PNG", "BMP", "GIF", "TIFF"]))
    return encode_image(1 - digit.astype(np.float32) / 255, kind)


def tiny(digit: DigitImage, rng: Generator) -> bytes:
    """Fewer pixels than MNIST has: 16 to 24 a side."""
    side = int(rng.integers(16, 25))
    small = cv2.resize(digit, (side, side), interpolation=cv2.INTER_AREA)
    return encode_image(1 - small.astype(np.float32) / 255, "PNG")


def huge(digit: DigitImage, rng: Generator) -> bytes:
    """Close to the 4 million pixels that are looked at, as a JPEG."""
    height, width = int(rng.integers(1200, 1800)), 2200
    ink = _place_on_page(_enlarge(digit, int(height * rng.uniform(0.3, 0.9))), height, width, rng)
    return encode_image(0.95 - 0.85 * ink, "JPEG", quality=85)


_FUNCTIONS = (photograph, drawing, transparent, framed, inverted, tiny, huge)

RENDERERS: dict[str, Callable[[DigitImage, Generator], bytes]] = {
    maker.__name__: maker for maker in _FUNCTIONS
}


def _enlarge(digit: DigitImage, side: int) -> _Plane:
    """The digit's ink in 0..1, smoothly enlarged."""
    plane = digit.astype(np.float32) / np.float32(255)
    return np.clip(cv2.resize(plane, (side, side), interpolation=cv2.INTER_CUBIC), 0, 1)


def _place_on_page(ink: _Plane, height: int, width: int, rng: Generator) -> _Plane:
    """Lay the ink anywhere on an empty page."""
    side = ink.shape[0]
    page = np.zeros((height, width), dtype=np.float32)
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    page[top : top + side, left : left + side] = ink
    return page


def _uneven_light(height: int, width: int, rng: Generator) -> _Plane:
    """Light that falls from one side and fades to the corners."""
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    slope, fade = rng.uniform(-0.18, 0.18, 2), rng.uniform(0, 0.12)
    light = 0.78 + slope[0] * down + slope[1] * across - fade * (down**2 + across**2)
    return np.asarray(np.clip(light, 0.2, 1), dtype=np.float32)


def _ruled_lines(height: int, width: int, contrast: float, rng: Generator) -> _Plane:
    """The lines of ruled paper, a little askew, paler than the ink."""
    rules = np.zeros((height, width), dtype=np.float32)
    pale = contrast * rng.uniform(0.3, 0.7)
    tilt = int(rng.integers(-4, 5))
    for row in range(int(rng.integers(5, 30)), height, int(rng.integers(25, 45))):
        cv2.line(rules, (0, row), (width, row + tilt), pale, 1, cv2.LINE_AA)
    return rules


def encode_image(plane: npt.NDArray[np.floating], kind: str, **options: int) -> bytes:
    """Encode gray values in 0..1 (height, width), or colors (height, width, channels).

    A PNG is compressed as quickly as it goes: it holds the same pixels, and is read once.
    """
    file = io.BytesIO()
    pixels = np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)
    quick = {"compress_level": 1} if kind == "PNG" else {}
    Image.fromarray(pixels).save(file, kind, **quick, **options)
    return file.getvalue()
