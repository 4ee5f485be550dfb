"""A scene put together: a page with none, one or several digits, seen as an image file shows it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from app.domain.predictions import DigitImage
from app.imaging.ink_finder import Content
from app.training.scenes import camera, surfaces
from app.training.scenes.marks import Box, add_marks
from app.training.scenes.mounting import add_bars, mount
from app.training.scenes.other_contents import add_other_content
from app.training.scenes.strokes import Coverage, draw_digit
from app.training.scenes.surfaces import Image

_PAGE_PIXELS = 320  # the longer side
_SQUARE_PROBABILITY = 0.5
_SIZES = (0.025, 0.95)  # a digit's longer side relative to the page's shorter one
_LARGE_PROBABILITY = 0.6  # of a size above a quarter
_CONTRASTS = (0.08, 1.0)
_OTHER_CONTENT_PROBABILITY = 0.6  # of a page without a digit
_MIN_VISIBLE = 0.3  # of the ink of at least one pixel


@dataclass(frozen=True)
class Scene:
    """An image float32 (height, width, 3) in 0..1, and how much of each pixel is a digit's ink."""

    image: Image
    ink: Coverage
    content: Content


def make_scene(digits: npt.NDArray[np.uint8], content: Content, rng: Generator) -> Scene:
    """Return a scene with digits from `digits` (n, 28, 28), light on dark.

    It has fewer digits than `content` asks for if the page has no place for them, or if they ended
    up outside of the image.
    """
    shape = _page_shape(rng)
    page = surfaces.paper(shape, rng)
    ink = np.zeros(shape, np.float32)
    box = _place(shape, content, rng)
    if rng.random() < 0.3:
        surfaces.print_pattern(page, box.unit, rng)
    color = _ink_color(page, box, rng)
    count = 0 if content is Content.NONE else 1
    if rng.random() < (0.45 if count else 0.75):
        add_marks(page, box, color, rng, has_digit=count > 0)
    if not count and rng.random() < _OTHER_CONTENT_PROBABILITY:
        add_other_content(page, box, color, rng)
    if count:
        _write(page, ink, digits, box, color, rng)
    if content is Content.SEVERAL:
        count += _write_more(page, ink, digits, box, color, rng)
    page, ink = mount(page, ink, rng)
    if rng.random() < 0.06:
        camera.put_finger(page, rng)
    image = camera.capture(np.clip(camera.light(page, rng), 0, 1), rng)
    if rng.random() < 0.25:
        add_bars(image, ink, rng)
    if ink.max(initial=0) < _MIN_VISIBLE:
        count = 0
    return Scene(image, ink, Content(min(count, 2)))


def _page_shape(rng: Generator) -> tuple[int, int]:
    if rng.random() < _SQUARE_PROBABILITY:
        return _PAGE_PIXELS, _PAGE_PIXELS
    shorter = round(_PAGE_PIXELS * rng.uniform(0.4, 1))
    return (shorter, _PAGE_PIXELS) if rng.random() < 0.5 else (_PAGE_PIXELS, shorter)


def _place(shape: tuple[int, int], content: Content, rng: Generator) -> Box:
    """Return where the digit goes: a square somewhere on the page, most often near the middle.

    The first of several is smaller, and more to the left and above.
    """
    if rng.random() < _LARGE_PROBABILITY:
        share = rng.uniform(0.25, _SIZES[1])
    else:
        share = np.exp(rng.uniform(np.log(_SIZES[0]), np.log(0.3)))
    room = 0.5 if content is Content.SEVERAL else 1.0
    side = min(shape) * share * room
    height, width = shape
    left, top = rng.beta(1.5, 1.5, 2) * (width * room - side, height * room - side)
    return Box(left, top, side, side)


def _ink_color(page: Image, box: Box, rng: Generator) -> surfaces.Color:
    """Return a color that differs from the paper's: dark, light, pale, or as bright as it."""
    x, y = box.center.astype(int)
    paper_color = page[y, x]
    contrast = np.exp(rng.uniform(np.log(_CONTRASTS[0]), np.log(_CONTRASTS[1])))
    if rng.random() < 0.6:
        contrast = rng.uniform(0.5, 1)
    if rng.random() < 0.1:
        return _equally_bright(paper_color, rng)
    far = 0.0 if paper_color.mean() > 0.5 else 1.0
    target = np.full(3, far) if rng.random() < 0.5 else surfaces.random_color(rng, 0, 0.4)
    target = target if far == 0 or rng.random() < 0.5 else 1 - surfaces.random_color(rng, 0, 0.4)
    return np.asarray(paper_color + (target - paper_color) * contrast, np.float32)


def _equally_bright(color: surfaces.Color, rng: Generator) -> surfaces.Color:
    """Return another color of about the same brightness, as red is to green."""
    weights = np.array([0.299, 0.587, 0.114])
    direction = rng.normal(0, 1, 3)
    direction -= weights * (direction @ weights) / (weights @ weights)
    direction *= rng.uniform(0.3, 0.8) / np.abs(direction).max()
    return np.clip(color + direction, 0, 1).astype(np.float32)


def _write(
    page: Image,
    ink: Coverage,
    digits: npt.NDArray[np.uint8],
    box: Box,
    color: surfaces.Color,
    rng: Generator,
) -> None:
    """Write a random digit into the middle of a box."""
    digit: DigitImage = digits[rng.integers(len(digits))]
    drawn = draw_digit(digit, box.unit * 0.92, rng)
    height, width = (min(a, b) for a, b in zip(drawn.shape, ink.shape, strict=True))
    drawn = drawn[:height, :width]
    x, y = box.center
    left = int(np.clip(round(x - width / 2), 0, ink.shape[1] - width))
    top = int(np.clip(round(y - height / 2), 0, ink.shape[0] - height))
    place = np.s_[top : top + height, left : left + width]
    strength = _pressure((height, width), rng)
    page[place] += (drawn * strength)[..., None] * (color - page[place])
    ink[place] = np.maximum(ink[place], drawn)


def _pressure(shape: tuple[int, int], rng: Generator) -> Coverage | np.float32:
    """Return how much ink a pen leaves: evenly, or as pencil and chalk do on rough paper."""
    if rng.random() < 0.75:
        return np.float32(1)
    rough = surfaces.smooth_noise(shape, rng.uniform(1, 4), rng) * rng.uniform(0.05, 0.35)
    return np.asarray(np.clip(rng.uniform(0.7, 1) + rough, 0.15, 1), np.float32)


def _write_more(
    page: Image,
    ink: Coverage,
    digits: npt.NDArray[np.uint8],
    first: Box,
    color: surfaces.Color,
    rng: Generator,
) -> int:
    """Write more digits of about the size of the first, beside or below it; return how many."""
    height, width = ink.shape
    side_by_side, box, wanted = rng.random() < 0.6, first, 1 + rng.binomial(2, 0.25)
    for written in range(wanted):
        size = first.unit * rng.uniform(0.75, 1.25)
        step = (box.unit + size) / 2 * rng.uniform(0.85, 1.5)
        off = size * rng.normal(0, 0.12)
        x, y = box.center + ((step, off) if side_by_side else (off, step))
        box = Box(x - size / 2, y - size / 2, size, size)
        if x + size / 2 > width or y + size / 2 > height:
            return written
        _write(page, ink, digits, box, color, rng)
    return int(wanted)
