"""Out-of-distribution images: images without a digit, to measure the models' confidence on them.

They differ from those of training (`app/training/out_of_distribution.py`): letters set in fonts,
differently drawn scribbles, other kinds of noise.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from string import ascii_letters

import cv2
import matplotlib as mpl
import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from app.imaging.page import GrayImage
from app.training.synthetic_images import encode_image

IMAGES_PER_KIND = 1_000  # of scribbles and of noise
DIGIT_LIKE_LETTERS = "OoDQIiljLSsZzBbGgqE"
_FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "STIXGeneral"),
    *("STIXGeneralItalic", "STIXGeneralBol", "cmr10", "cmmi10", "cmss10", "cmtt10"),
)
_PAGE_SIDE = 160


def letters(wanted: str = ascii_letters) -> Iterator[bytes]:
    """Render every letter in every font, black on white."""
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for face in _FACES:
        font = ImageFont.truetype(fonts / f"{face}.ttf", 96)
        for letter in wanted:
            page = Image.new("L", (_PAGE_SIDE, _PAGE_SIDE), 255)
            ImageDraw.Draw(page).text(
                (_PAGE_SIDE / 2, _PAGE_SIDE / 2), letter, 0, font, anchor="mm"
            )
            file = io.BytesIO()
            page.save(file, "PNG")
            yield file.getvalue()


def scribbles() -> Iterator[bytes]:
    """Draw sums of slow oscillations across the page, closed or not."""
    rng = np.random.default_rng(1)
    for _ in range(IMAGES_PER_KIND):
        time = np.linspace(0, rng.uniform(3, 8), 400)[:, None, None]
        swings = np.sin(time * rng.uniform(0.5, 7, (2, 3)) + rng.uniform(0, 7, (2, 3)))
        points = (swings @ rng.uniform(0.1, 0.4, 3) + 1) / 2 * 0.9 * _PAGE_SIDE
        page = np.zeros((_PAGE_SIDE, _PAGE_SIDE), dtype=np.float32)
        thickness = int(rng.integers(4, 12))
        cv2.polylines(page, [points.astype(np.int32)], False, 1.0, thickness, cv2.LINE_AA)
        yield encode_image(1 - page, "PNG")


def noises() -> Iterator[bytes]:
    """Draw grain, salt and pepper, clouds, checkerboards and stripes of any size."""
    rng = np.random.default_rng(1)
    for number in range(IMAGES_PER_KIND):
        yield encode_image(_NOISE_FUNCTIONS[number % len(_NOISE_FUNCTIONS)](rng), "PNG")


def _grain(rng: Generator) -> GrayImage:
    return rng.random((64, 64), dtype=np.float32)


def _pepper(rng: Generator) -> GrayImage:
    return np.asarray(rng.random((48, 48)) < rng.uniform(0.5, 0.95), dtype=np.float32)


def _clouds(rng: Generator) -> GrayImage:
    few = rng.random((int(rng.integers(3, 12)), int(rng.integers(3, 12))), dtype=np.float32)
    return np.asarray(cv2.resize(few, (96, 96), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _checks(rng: Generator) -> GrayImage:
    rows, columns = np.indices((96, 96)) // int(rng.integers(4, 24))
    return np.asarray((rows + columns) % 2, dtype=np.float32)


def _stripes(rng: Generator) -> GrayImage:
    rows, columns = np.indices((96, 96))
    along = rows * rng.uniform(-1, 1) + columns * rng.uniform(-1, 1)
    return np.asarray(np.sin(along * rng.uniform(0.1, 0.6)) / 2 + 0.5, dtype=np.float32)


_NOISE_FUNCTIONS: tuple[Callable[[Generator], GrayImage], ...] = (
    _grain,
    _pepper,
    _clouds,
    _checks,
    _stripes,
)

OOD_IMAGES: dict[str, Callable[[], Iterator[bytes]]] = {
    "letters in fonts": letters,
    "scribbles": scribbles,
    "noise": noises,
}
