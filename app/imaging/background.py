"""Estimation and removal of an image's background, so that only the ink is left."""

from collections.abc import Iterable
from functools import cache
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from app.imaging.decoding import GrayImage

Mask = npt.NDArray[np.bool_]

_Pixel = TypeVar("_Pixel", np.float32, np.bool_)

MIN_CONTRAST = 0.1  # of the gray range; an image with less contrast is a blank page

_FRAME_CONTRAST = 0.1  # of the gray range; pixels that differ less from a frame belong to it
_MIN_INNER_SHARE = 0.4  # of each side; a border that leaves less of the image is not a frame
_MAX_FRAME_GRAY_SHARE = 0.05  # of the inner edge; with more of the outer gray, that gray is paper
_BACKGROUND_SIDE = 32  # pixels; the background is fitted on a copy of this size
_FIT_ITERATIONS = 3
_EDGE_START = 0.85  # of the way from the center of an image to its sides
_GRAY_TOLERANCE = 0.02  # gray values closer than this are the same paper
_MIN_LINE_CONTRAST = 0.06  # of the gray range; fainter lines are below the ink threshold anyway
_MIN_STROKE_THICKNESS = 7  # working pixels; a stroke that crosses a line is at least this thick
_LINE_BLUR = 9  # working pixels along a line; averages noise
_MIN_PAGE_SIDE = 64  # on a smaller image a line from side to side is a stroke
_MIN_LINE_SHARE = 0.85  # of the page width; a shorter line is a stroke


def remove_background(gray: GrayImage) -> GrayImage:
    """Return each pixel's difference from the background of a gray image in 0..1, ink positive.

    Uneven lighting, frames, bars at the sides, and the lines of ruled or squared paper are removed
    with the background. If a frame was cropped, the result is smaller than the input.
    """
    edge = _edge_pixels(gray)
    inside, its_edge = _crop_frame(gray, edge)
    ink = _remove_ruled_lines(_subtract_background(inside, its_edge))
    if inside.shape != gray.shape and float(ink.max()) < MIN_CONTRAST:
        return _remove_ruled_lines(
            _subtract_background(gray, edge)
        )  # not a frame but a straight stroke
    return ink


def bounding_box(mask: Mask) -> tuple[slice, slice]:
    """Return the rows and columns of the smallest box around the set pixels; empty if none is."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(top, top + height), slice(left, left + width)


def _crop_frame(gray: GrayImage, edge: GrayImage) -> tuple[GrayImage, GrayImage]:
    """Crop a frame, or bars at two sides; return the page and its edge pixels.

    A frame has the gray of the outermost pixels, and almost none of that gray is left at the edge
    of what it surrounds; around a digit, the paper's own gray is.
    """
    for outer in _frame_gray_candidates(gray, edge):
        inner = np.abs(gray - outer) > _FRAME_CONTRAST
        box = bounding_box(inner)
        if _is_framed(inner[box], inner):
            page = np.ascontiguousarray(gray[box])
            return _crop_frame(page, _edge_pixels(page))  # a frame may be inside a margin
    return gray, edge


def _frame_gray_candidates(gray: GrayImage, edge: GrayImage) -> Iterable[np.float32]:
    """Return the possible grays of a frame: that of the whole edge, or of two of its sides."""
    if _is_uniform(edge):
        return (np.float32(edge[0]),)
    return dict.fromkeys(map(_upper_median, (edge, gray[:, 0], gray[0])))


def _is_framed(page: Mask, whole: Mask) -> bool:
    """Return whether a box of the image is a page inside a frame.

    Both masks are true where a pixel differs from the frame's gray.
    """
    (height, width), (outer_height, outer_width) = page.shape, whole.shape
    if page.shape == whole.shape:
        return False
    if height < _MIN_INNER_SHARE * outer_height or width < _MIN_INNER_SHARE * outer_width:
        return False
    edge = _edge_pixels(page)
    return bool((edge.size - np.count_nonzero(edge)) / edge.size < _MAX_FRAME_GRAY_SHARE)


def _edge_pixels(gray: npt.NDArray[_Pixel]) -> npt.NDArray[_Pixel]:
    """Return the outermost pixels, concatenated."""
    return np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])


def _is_uniform(values: GrayImage) -> bool:
    """Return whether all values are equal, as around most drawings: a shortcut."""
    lowest, highest, _, _ = cv2.minMaxLoc(values)
    return bool(lowest == highest)


def _upper_median(values: GrayImage) -> np.float32:
    """Return the median, the upper of the two middle values if their number is even."""
    return np.float32(np.sort(values)[values.size // 2])


def _subtract_background(gray: GrayImage, edge: GrayImage) -> GrayImage:
    """Return the difference from the background, of the polarity whose peak is larger."""
    difference = gray - _estimate_background(gray, edge)
    lowest, highest, _, _ = cv2.minMaxLoc(difference)
    if lowest >= 0:
        return difference
    ink: GrayImage = np.maximum(difference if highest >= -lowest else -difference, 0)
    return ink


def _estimate_background(gray: GrayImage, edge: GrayImage) -> GrayImage | np.float32:
    """Return the background: one gray value, or a curved surface under uneven lighting.

    The edge of the image decides which, since ink may cover more than half of the image itself.
    """
    if _is_uniform(edge):
        return np.float32(edge[0])
    middle = _upper_median(edge)
    if np.count_nonzero(np.abs(edge - middle) < _GRAY_TOLERANCE) > edge.size // 2:
        return middle
    small = cv2.resize(gray, (_BACKGROUND_SIDE, _BACKGROUND_SIDE), interpolation=cv2.INTER_AREA)
    fitted = _fit_background(np.asarray(small, dtype=np.float64).ravel())
    return np.asarray(cv2.resize(fitted, gray.shape[::-1]), dtype=np.float32)


def _fit_background(values: npt.NDArray[np.float64]) -> GrayImage:
    """Fit a surface to gray values iteratively, each time excluding outliers: the ink.

    First fits a plane to the edge, where ink is rare, then a quadratic surface to all pixels.
    Values and result have _BACKGROUND_SIDE squared elements.
    """
    terms, edge = _surface_terms()
    fitted = np.full(values.size, _median(values[edge]))
    for used, near in [(terms[:, :3], edge)] * _FIT_ITERATIONS + [
        (terms, np.ones_like(edge))
    ] * _FIT_ITERATIONS:
        error = np.abs(values - fitted)
        kept = near & (error <= max(_GRAY_TOLERANCE, 2.5 * _median(error[near])))
        fitted = used @ np.linalg.lstsq(used[kept], values[kept], rcond=None)[0]
    return np.asarray(fitted.reshape(_BACKGROUND_SIDE, _BACKGROUND_SIDE), dtype=np.float32)


@cache
def _surface_terms() -> tuple[npt.NDArray[np.float64], Mask]:
    """Return a quadratic surface's terms at each background pixel, and which pixels are edge."""
    x, y = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-1, 1, _BACKGROUND_SIDE)] * 2))
    terms = np.stack([np.ones_like(x), x, y, x * y, x**2, y**2], axis=1)
    return terms, np.maximum(np.abs(x), np.abs(y)) > _EDGE_START


def _median(values: npt.NDArray[np.float64]) -> float:
    """Return the same as np.median, in a fraction of the time."""
    ordered = np.sort(values)
    return float(ordered[(values.size - 1) // 2] + ordered[values.size // 2]) / 2


def _remove_ruled_lines(ink: GrayImage) -> GrayImage:
    """Remove the lines of ruled or squared paper: thin lines across the whole page."""
    if min(ink.shape) < _MIN_PAGE_SIDE:
        return ink
    turned = np.ascontiguousarray(_remove_horizontal_lines(ink).T)
    return np.ascontiguousarray(_remove_horizontal_lines(turned).T)


def _remove_horizontal_lines(ink: GrayImage) -> GrayImage:
    """Erase thin lines from side to side; the strokes that cross them are thicker and stay."""
    width = ink.shape[1]
    marks = np.asarray(cv2.blur(ink, (_LINE_BLUR, 1)) > _MIN_LINE_CONTRAST, dtype=np.uint8)
    if np.count_nonzero(marks.any(axis=0)) < _MIN_LINE_SHARE * width:
        return ink
    thick = cv2.morphologyEx(marks, cv2.MORPH_OPEN, np.ones((_MIN_STROKE_THICKNESS, 1), np.uint8))
    thin = cv2.morphologyEx(marks - thick, cv2.MORPH_OPEN, np.ones((1, _LINE_BLUR), np.uint8))
    joined = cv2.morphologyEx(thin, cv2.MORPH_CLOSE, np.ones((3, width // 2), np.uint8))
    _, labels, pieces, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    spans = pieces[:, cv2.CC_STAT_WIDTH] >= _MIN_LINE_SHARE * width
    spans[0] = False  # the background component
    lines = (spans[labels] & (thin > 0)).astype(np.uint8)
    erased = (cv2.dilate(lines, np.ones((3, 1), np.uint8)) > 0) & (thick == 0)
    return np.where(erased, np.float32(0), ink)
