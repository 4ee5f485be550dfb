"""What is around a page: a desk it lies on, bars and borders at its sides."""

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from app.training.scenes import surfaces
from app.training.scenes.strokes import Coverage
from app.training.scenes.surfaces import Image


def mount(page: Image, ink: Coverage, rng: Generator) -> tuple[Image, Coverage]:
    """Lay the page on something else, or look at it from the side, or neither."""
    kind = rng.random()
    if kind < 0.5:
        return page, ink
    height, width = ink.shape
    shrink = rng.uniform(0.6, 0.98) if kind < 0.85 else rng.uniform(1.0, 1.15)
    matrix = _view_from(width, height, shrink, rng)
    below = surfaces.desk(ink.shape, rng)
    seen = cv2.warpPerspective(np.ones(ink.shape, np.float32), matrix, (width, height))
    moved = cv2.warpPerspective(page, matrix, (width, height))
    if rng.random() < 0.3 and shrink < 1:  # the shadow of the sheet
        fall = np.array([[1, 0, width * 0.02], [0, 1, height * 0.02]])
        below = below * (1 - 0.4 * cv2.warpAffine(seen, fall, (width, height)))[..., None]
    laid = below * (1 - seen[..., None]) + moved
    seen_ink = cv2.warpPerspective(ink, matrix, (width, height))
    return np.asarray(laid, np.float32), np.asarray(seen_ink, np.float32)


def _view_from(width: int, height: int, shrink: float, rng: Generator) -> npt.NDArray[np.float64]:
    """Return the perspective of a sheet that lies turned, a little tilted, somewhere."""
    turned = np.deg2rad(rng.uniform(-20, 20) * (rng.random() < 0.8))
    center = np.array([width, height]) / 2
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
    turn = np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
    moved = (corners - center) * shrink @ turn.T + center
    moved += rng.normal(0, 0.02, (4, 2)) * max(width, height) * (rng.random() < 0.5)
    moved += rng.uniform(-1, 1, 2) * (1 - min(shrink, 1.0)) / 2 * (width, height)
    return np.asarray(
        cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    )


def add_bars(image: Image, ink: Coverage, rng: Generator) -> None:
    """Cover sides of the image with bars, a border or a phone's status bar; they cover ink too."""
    color = surfaces.random_color(rng) if rng.random() < 0.3 else surfaces.random_color(rng, 0, 0.3)
    if rng.random() < 0.4:
        thickness = max(1, round(max(ink.shape) * np.exp(rng.uniform(-5.5, -3))))
        inset = round(max(ink.shape) * rng.uniform(0, 0.08)) * int(rng.random() < 0.5)
        _draw_border(image, color, thickness, inset, rng)
        return
    for cut in (_rows, _columns):
        for from_end in (False, True):
            if rng.random() < 0.45:
                place = cut(ink.shape, rng.uniform(0.01, 0.14), from_end=from_end)
                image[place], ink[place] = color, 0


def _rows(shape: tuple[int, ...], share: float, *, from_end: bool) -> tuple[slice, slice]:
    """Return such a share of the rows, the first or the last."""
    count = max(1, round(shape[0] * share))
    return (slice(-count, None) if from_end else slice(count)), slice(None)


def _columns(shape: tuple[int, ...], share: float, *, from_end: bool) -> tuple[slice, slice]:
    return _rows(shape[::-1], share, from_end=from_end)[::-1]


def _draw_border(
    image: Image, color: surfaces.Color, thickness: int, inset: int, rng: Generator
) -> None:
    """Draw a border at the edge or near it, with square or round corners."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.float32)
    radius = round(min(height, width) * rng.uniform(0, 0.15)) * int(rng.random() < 0.5)
    inner = inset + thickness
    _fill_rounded(mask, inset, radius, 1.0)
    _fill_rounded(mask, inner, max(0, radius - thickness), 0.0)
    image += mask[..., None] * (color - image)
    if radius and inset == 0 and rng.random() < 0.5:  # what is outside of round corners
        outside = np.ones((height, width), np.float32)
        _fill_rounded(outside, 0, radius, 0.0)
        image += outside[..., None] * (surfaces.random_color(rng) - image)


def _fill_rounded(mask: Coverage, inset: int, radius: int, value: float) -> None:
    height, width = mask.shape
    low, right, bottom = inset + radius, width - 1 - inset - radius, height - 1 - inset - radius
    cv2.rectangle(mask, (inset, low), (width - 1 - inset, bottom), value, -1)
    cv2.rectangle(mask, (low, inset), (right, height - 1 - inset), value, -1)
    if radius:
        for center in ((low, low), (right, low), (low, bottom), (right, bottom)):
            cv2.circle(mask, center, radius, value, -1)
