"""`python -m benchmarks.pictures_without_digit`: how many pictures of no digit are answered.

Textures, words, icons and screenshots, drawn by other code than the scenes of training and with
fonts that those lack; and pairs of digits, which must be rejected too.
"""

import io
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from app.domain.errors import MultipleDigits, NoDigit
from app.imaging.page import GrayImage
from app.imaging.preprocessing import preprocess
from app.training.datasets import load_base_sets
from app.training.synthetic_images import encode_image

SEED = 1
PICTURES_PER_KIND = 250
PAIRS = 300
_SIDE = 320
_FACES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral")
_ICONS = [chr(code) for code in (*range(0x2600, 0x2672), *range(0x2701, 0x2775))]
_MENU = ("File", "Edit", "View", "Search", "Settings", "Reply", "Cancel", "Share", "Help", "Inbox")


def main() -> None:
    """Print what became of the pictures of each kind."""
    print("| pictures | images | no digit | several digits | with a warning | without |")
    print("| --- | --- | --- | --- | --- | --- |")
    totals = np.zeros(5, int)
    for name, make in PICTURES.items():
        counts = _outcomes(make(np.random.default_rng(SEED)), name)
        totals += counts
        print(f"| {name} | {' | '.join(map(str, counts))} |", flush=True)
    print(f"| all | {' | '.join(map(str, totals))} |")
    for name, make in PAIRS_OF_DIGITS.items():
        counts = _outcomes(make(np.random.default_rng(SEED)), name)
        print(f"| {name} | {' | '.join(map(str, counts))} |", flush=True)


def _outcomes(files: Iterator[bytes], name: str) -> list[int]:
    """Count images: all, rejected for either reason, answered with and without a warning."""
    counts = [0] * 5
    for file in tqdm(files, name, leave=False):
        counts[0] += 1
        try:
            counts[3 if preprocess(file).is_doubtful else 4] += 1
        except NoDigit:
            counts[1] += 1
        except MultipleDigits:
            counts[2] += 1
    return counts


def textures(rng: Generator) -> Iterator[bytes]:
    """Draw tiles, cells, bricks, waves and gradients, in colors."""
    for number in range(PICTURES_PER_KIND):
        down, across = np.mgrid[:_SIDE, :_SIDE] / rng.uniform(8, 80)
        kind = number % 5
        if kind == 0:
            field = (np.floor(down) + np.floor(across)) % 2
        elif kind == 1:
            points = rng.uniform(0, down.max(), (24, 2))
            distances = [np.hypot(down - y, across - x) for y, x in points]
            nearest = np.sort(distances, axis=0)
            field = nearest[1] - nearest[0]
        elif kind == 2:
            shifted = across + 0.5 * (np.floor(down) % 2)
            field = np.minimum(np.minimum(down % 1, shifted % 1), 0.12)
        elif kind == 3:
            field = np.sin(down + 2 * np.sin(across)) * np.cos(across - np.sin(down))
        else:
            field = down * rng.normal() + across * rng.normal()
        scaled = (field - field.min()) / max(float(np.ptp(field)), 1e-6)
        low, high = rng.uniform(0, 1, (2, 3))
        yield encode_image(low + scaled[..., None] * (high - low), "JPEG")


def words(rng: Generator) -> Iterator[bytes]:
    """Set a word of three to nine letters in a font."""
    for _ in range(PICTURES_PER_KIND):
        word = "".join(rng.choice(list(string.ascii_letters), int(rng.integers(3, 10))))
        yield _file(_text(word, int(rng.integers(30, 70)), str(rng.choice(_FACES)), rng))


def icons(rng: Generator) -> Iterator[bytes]:
    """Set a pictogram of Unicode in a font, large."""
    for _ in range(PICTURES_PER_KIND):
        yield _file(_text(str(rng.choice(_ICONS)), int(rng.integers(90, 240)), "DejaVuSans", rng))


def screenshots(rng: Generator) -> Iterator[bytes]:
    """Draw windows with a title bar, menus, buttons, and lines of text."""
    for _ in range(PICTURES_PER_KIND):
        page = Image.new("RGB", (480, 320), _color(rng, 200, 256))
        draw = ImageDraw.Draw(page)
        draw.rectangle((0, 0, 480, int(rng.integers(18, 34))), _color(rng, 0, 200))
        font = _font("DejaVuSans", int(rng.integers(10, 16)))
        for place, label in enumerate(rng.choice(_MENU, 4)):
            draw.text((10 + 90 * place, 40), str(label), (20, 20, 20), font)
        for row in range(70, 300, int(rng.integers(16, 40))):
            letters = "".join(rng.choice([*string.ascii_lowercase, " ", " "], 60))
            draw.text((int(rng.integers(8, 60)), row), letters, _color(rng, 0, 120), font)
        for _button in range(rng.integers(0, 4)):
            left, top = int(rng.integers(0, 380)), int(rng.integers(60, 280))
            draw.rounded_rectangle((left, top, left + 90, top + 26), 6, _color(rng, 60, 230))
        yield _file(page)


def side_by_side(rng: Generator) -> Iterator[bytes]:
    """Write two digits beside each other, which do not touch."""
    yield from _pairs(rng, axis=1)


def stacked(rng: Generator) -> Iterator[bytes]:
    """Write two digits one above the other, which do not touch."""
    yield from _pairs(rng, axis=0)


PICTURES: dict[str, Callable[[Generator], Iterator[bytes]]] = {
    maker.__name__: maker for maker in (textures, words, icons, screenshots)
}
PAIRS_OF_DIGITS: dict[str, Callable[[Generator], Iterator[bytes]]] = {
    "two digits side by side": side_by_side,
    "two digits stacked": stacked,
}


def _pairs(rng: Generator, axis: int) -> Iterator[bytes]:
    """Write pairs of validation digits with a gap, small and plain or large and on paper."""
    digits = load_base_sets().validation.digits
    for number in range(PAIRS):
        pair = [_trim(digits[at]) for at in rng.integers(0, len(digits), 2)]
        across = max(each.shape[1 - axis] for each in pair)
        padded = []
        for each in pair:
            missing = across - each.shape[1 - axis]
            sides = (missing // 2, missing - missing // 2)
            padded.append(np.pad(each, [sides, (0, 0)] if axis == 1 else [(0, 0), sides]))
        gap = int(rng.integers(2, 9))
        shape = (across, gap) if axis == 1 else (gap, across)
        ink = np.concatenate([padded[0], np.zeros(shape, np.float32), padded[1]], axis=axis)
        ink = np.pad(ink, int(rng.integers(4, 20)))
        if number % 2:
            yield encode_image(ink, "PNG")
        else:
            large = cv2.resize(ink, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
            light = np.linspace(rng.uniform(0.6, 1), 1, large.shape[1])
            page = light * (1 - rng.uniform(0.5, 0.9) * np.clip(large, 0, 1))
            yield encode_image(page + rng.normal(0, 0.02, page.shape), "JPEG")


def _trim(digit: np.ndarray) -> GrayImage:
    left, top, width, height = cv2.boundingRect((digit > 40).view(np.uint8))
    return digit[top : top + height, left : left + width].astype(np.float32) / np.float32(255)


def _font(face: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf", size)


def _text(text: str, size: int, face: str, rng: Generator) -> Image.Image:
    page = Image.new("RGB", (_SIDE, _SIDE), _color(rng, 170, 256))
    middle = (_SIDE / 2, _SIDE / 2)
    ImageDraw.Draw(page).text(middle, text, _color(rng, 0, 110), _font(face, size), anchor="mm")
    return page


def _color(rng: Generator, low: int, high: int) -> tuple[int, int, int]:
    red, green, blue = rng.integers(low, high, 3).tolist()
    return red, green, blue


def _file(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    main()
