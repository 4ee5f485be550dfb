"""Fifteen kinds of image that people send and that rules for finding the ink misread.

Each renderer takes a digit uint8 (28, 28), light on dark, and a random generator, and returns the
bytes of an image file. Scenes of these kinds are among those that the ink network was trained on,
drawn by other code.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from app.domain.predictions import DigitImage
from app.imaging.page import GrayImage
from app.training.scenes.strokes import skeleton
from app.training.synthetic_images import encode_image

_SIDE = 400


def border(digit: DigitImage, rng: Generator) -> bytes:
    """Render a canvas with a thin border at its edge."""
    side = int(rng.choice([280, 300, 400, 500, 640, 800, 1000]))
    page, width = _page(digit, rng, side), int(rng.integers(1, 4))
    gray = rng.uniform(0, 0.8)
    page[:width] = page[-width:] = page[:, :width] = page[:, -width:] = gray
    return encode_image(page, "PNG")


def border_in_margin(digit: DigitImage, rng: Generator) -> bytes:
    """Render a rectangle drawn inside the edge of the page, around everything."""
    page = _page(digit, rng)
    inset = int(rng.integers(2, 25))
    _rectangle(page, inset, int(rng.integers(1, 5)))
    return encode_image(page, "PNG")


def rounded_border(digit: DigitImage, rng: Generator) -> bytes:
    """Render a canvas whose border has round corners."""
    side = int(rng.choice([200, 280, 400, 600]))
    page, radius = _page(digit, rng, side), int(rng.integers(8, 30))
    angles = np.linspace(0, np.pi / 2, 12)
    arc = radius * np.column_stack([1 - np.cos(angles), 1 - np.sin(angles)])
    last = side - 1
    corners = [
        arc,
        np.column_stack([last - arc[::-1, 0], arc[::-1, 1]]),
        last - arc,
        np.column_stack([arc[::-1, 0], last - arc[::-1, 1]]),
    ]
    outline = np.concatenate(corners).round().astype(np.int32)
    cv2.polylines(page, [outline], True, 0.0, max(1, side // 150), cv2.LINE_AA)
    return encode_image(page, "PNG")


def dark_sides(digit: DigitImage, rng: Generator) -> bytes:
    """Render dark bars at one to four sides of the page."""
    page, width, gray = _page(digit, rng, 300), int(rng.integers(9, 45)), rng.uniform(0, 0.43)
    for side in rng.permutation(4)[: rng.integers(1, 5)]:
        np.rot90(page, side)[:width] = gray
    return encode_image(page, "PNG")


def phone_screen(digit: DigitImage, rng: Generator) -> bytes:
    """Render a screenshot of a phone with its status bar, its navigation bar, or both."""
    screen, top = np.ones((844, 390), np.float32), int(rng.integers(120, 420))
    screen[top : top + 300, 45:345] = _page(digit, rng, 300)
    bars = int(rng.integers(1, 4))
    if bars & 1:
        screen[:41] = 0
    if bars & 2:
        screen[800:] = 0
    return encode_image(screen, "PNG")


def sheet_on_desk(digit: DigitImage, rng: Generator) -> bytes:
    """Render a photograph of a sheet that lies turned on a darker desk."""
    desk, light = rng.uniform(0.12, 0.47), rng.uniform(0.78, 0.98)
    sheet = _page(digit, rng, 420) * np.float32(light)
    turn = cv2.getRotationMatrix2D((210, 210), rng.uniform(-15, 15), 1.0)
    turn[:, 2] += 110 + rng.uniform(-60, 60, 2)
    seen = cv2.warpAffine(sheet, turn, (640, 640), borderValue=desk)
    return encode_image(seen + rng.normal(0, 0.016, seen.shape), "JPEG")


def tight_thin(digit: DigitImage, rng: Generator) -> bytes:
    """Render a thin stroke along the digit's middle, cropped close."""
    large = cv2.resize(digit, (300, 300), interpolation=cv2.INTER_CUBIC)
    line = cv2.resize(skeleton((large > 110).view(np.uint8)), (600, 600))
    pen = int(rng.choice([5, 7, 9, 13]))
    ink = cv2.dilate((line > 0).view(np.uint8), np.ones((pen, pen), np.uint8))
    left, top, width, height = cv2.boundingRect(ink)
    tight = ink[top : top + height, left : left + width].astype(np.float32)
    return encode_image(1 - np.pad(tight, int(rng.uniform(0, 0.06) * max(tight.shape))), "PNG")


def circled(digit: DigitImage, rng: Generator) -> bytes:
    """Render a digit with a circle around it."""
    page, inset = _page(digit, rng, share=0.5), int(rng.integers(20, 60))
    middle = (_SIDE // 2, _SIDE // 2)
    cv2.circle(page, middle, _SIDE // 2 - inset, 0.0, int(rng.integers(2, 8)), cv2.LINE_AA)
    return encode_image(page, "PNG")


def in_a_cell(digit: DigitImage, rng: Generator) -> bytes:
    """Render a digit in a box of a form, sometimes open at its upper side."""
    page, inset = _page(digit, rng, share=0.5), int(rng.integers(5, 70))
    width = int(rng.integers(2, 7))
    before = page[: inset + width, inset + width : _SIDE - inset - width].copy()
    _rectangle(page, inset, width)
    if rng.random() < 0.5:
        page[: inset + width, inset + width : _SIDE - inset - width] = before
    return encode_image(page, "PNG")


def underlined(digit: DigitImage, rng: Generator) -> bytes:
    """Render a digit with a line under it."""
    page, row = _page(digit, rng, share=0.5), int(rng.integers(320, 380))
    left = int(rng.integers(20, 120))
    ends = (left, row), (_SIDE - left, row + int(rng.integers(-6, 7)))
    cv2.line(page, *ends, 0.0, int(rng.integers(2, 8)), cv2.LINE_AA)
    return encode_image(page, "PNG")


def faint(digit: DigitImage, rng: Generator) -> bytes:
    """Render pencil that is hardly darker than the paper."""
    page = 1 - (1 - _page(digit, rng)) * rng.uniform(0.06, 0.14)
    return encode_image(page + rng.normal(0, 0.004, page.shape), "PNG")


def shadow(digit: DigitImage, rng: Generator) -> bytes:
    """Render a shadow with a hard edge, upright or level, that may cross the digit."""
    page, cut = _page(digit, rng), int(rng.integers(120, 280))
    shaded = page if rng.random() < 0.5 else page.T
    shaded[:, cut:] *= rng.uniform(0.4, 0.7)
    return encode_image(page, "JPEG")


def small_in_large(digit: DigitImage, rng: Generator) -> bytes:
    """Render a digit of 40 to 90 pixels on a page of three megapixels."""
    page, side = np.full((1500, 2000), 0.98, np.float32), int(rng.integers(40, 90))
    left, top = int(rng.integers(50, 1850)), int(rng.integers(50, 1350))
    page[top : top + side, left : left + side] -= 0.98 * _enlarge(digit, side)
    return encode_image(page, "PNG")


def fills_the_picture(digit: DigitImage, rng: Generator) -> bytes:
    """Render a digit stretched to the edges of a tiny image of two colors."""
    left, top, width, height = cv2.boundingRect(digit)
    side = int(rng.integers(16, 40))
    tight = digit[top : top + height, left : left + width]
    ink = cv2.resize(tight, (side, side), interpolation=cv2.INTER_CUBIC)
    return encode_image(np.asarray(ink <= 127, np.float32), "PNG")


def equal_brightness(digit: DigitImage, rng: Generator) -> bytes:
    """Render red ink on green of the same brightness: in gray nothing of it is left."""
    ink = 1 - _page(digit, rng)[..., None]
    red, green = np.array([0.82, 0.16, 0.16]), np.array([0.12, 0.455, 0.12])
    return encode_image(green + ink * (red - green), "PNG")


_FUNCTIONS = (
    border,
    border_in_margin,
    rounded_border,
    dark_sides,
    phone_screen,
    sheet_on_desk,
    tight_thin,
    circled,
    in_a_cell,
    underlined,
    faint,
    shadow,
    small_in_large,
    fills_the_picture,
    equal_brightness,
)

HARD_KINDS: dict[str, Callable[[DigitImage, Generator], bytes]] = {
    maker.__name__: maker for maker in _FUNCTIONS
}


def _enlarge(digit: DigitImage, side: int) -> GrayImage:
    gray = digit.astype(np.float32) / np.float32(255)
    large = cv2.resize(gray, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(large, 0, 1), np.float32)


def _page(digit: DigitImage, rng: Generator, side: int = _SIDE, share: float = 0.6) -> GrayImage:
    """Return a square white page with a digit in black near its middle."""
    page, size = np.ones((side, side), np.float32), int(side * share)
    left, top = rng.integers((side - size) // 3, (side - size) * 2 // 3 + 1, 2)
    page[top : top + size, left : left + size] -= _enlarge(digit, size)
    return page


def _rectangle(page: GrayImage, inset: int, width: int) -> None:
    """Draw a black rectangle at such a distance from the edge."""
    inner = page[inset + width : -inset - width, inset + width : -inset - width].copy()
    page[inset:-inset, inset:-inset] = 0
    page[inset + width : -inset - width, inset + width : -inset - width] = inner
