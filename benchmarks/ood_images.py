"""Pictures that hold no digit, to see whether a model knows that it does not know.

They differ from those of training (`app/training/out_of_distribution.py`): letters set in fonts,
scribbles of another hand, noise of other kinds.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from string import ascii_letters

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from app.imaging.decoding import GrayImage
from app.training.synthetic_images import Dice, encode_image

PICTURES = 1_000  # of scribbles and of noise
LOOK_LIKE_DIGITS = "OoDQIiljLSsZzBbGgqE"
_FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "STIXGeneral"),
    *("STIXGeneralItalic", "STIXGeneralBol", "cmr10", "cmmi10", "cmss10", "cmtt10"),
)
_PAGE = 160


def letters(wanted: str = ascii_letters) -> Iterator[bytes]:
    """Every wanted letter in every face, black on white."""
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for face in _FACES:
        font = ImageFont.truetype(fonts / f"{face}.ttf", 96)
        for letter in wanted:
            page = Image.new("L", (_PAGE, _PAGE), 255)
            ImageDraw.Draw(page).text((_PAGE / 2, _PAGE / 2), letter, 0, font, anchor="mm")
            file = io.BytesIO()
            page.save(file, "PNG")
            yield file.getvalue()


def scribbles() -> Iterator[bytes]:
    """A hand that moves to and fro across the page: sums of slow swings, closed or not."""
    rng = np.random.default_rng(1)
    for _ in range(PICTURES):
        time = np.linspace(0, rng.uniform(3, 8), 400)[:, None, None]
        swings = np.sin(time * rng.uniform(0.5, 7, (2, 3)) + rng.uniform(0, 7, (2, 3)))
        points = (swings @ rng.uniform(0.1, 0.4, 3) + 1) / 2 * 0.9 * _PAGE
        page = np.zeros((_PAGE, _PAGE), dtype=np.float32)
        thickness = int(rng.integers(4, 12))
        cv2.polylines(page, [points.astype(np.int32)], False, 1.0, thickness, cv2.LINE_AA)
        yield encode_image(1 - page, "PNG")


def noises() -> Iterator[bytes]:
    """Grain, salt and pepper, clouds, checks and stripes of any size."""
    rng = np.random.default_rng(1)
    for number in range(PICTURES):
        yield encode_image(_NOISES[number % len(_NOISES)](rng), "PNG")


def _grain(rng: Dice) -> GrayImage:
    return rng.random((64, 64), dtype=np.float32)


def _pepper(rng: Dice) -> GrayImage:
    return np.asarray(rng.random((48, 48)) < rng.uniform(0.5, 0.95), dtype=np.float32)


def _clouds(rng: Dice) -> GrayImage:
    few = rng.random((int(rng.integers(3, 12)), int(rng.integers(3, 12))), dtype=np.float32)
    return np.asarray(cv2.resize(few, (96, 96), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _checks(rng: Dice) -> GrayImage:
    rows, columns = np.indices((96, 96)) // int(rng.integers(4, 24))
    return np.asarray((rows + columns) % 2, dtype=np.float32)


def _stripes(rng: Dice) -> GrayImage:
    rows, columns = np.indices((96, 96))
    along = rows * rng.uniform(-1, 1) + columns * rng.uniform(-1, 1)
    return np.asarray(np.sin(along * rng.uniform(0.1, 0.6)) / 2 + 0.5, dtype=np.float32)


_NOISES: tuple[Callable[[Dice], GrayImage], ...] = (_grain, _pepper, _clouds, _checks, _stripes)

STRANGERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "letters in fonts": letters,
    "scribbles": scribbles,
    "noise": noises,
}
