"""The paper under a drawing: found and taken off, so that only the ink is left."""

from collections.abc import Iterable
from functools import cache
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from app.imaging.decoding import GrayImage

Mask = npt.NDArray[np.bool_]

_Pixel = TypeVar("_Pixel", np.float32, np.bool_)

MIN_CONTRAST = 0.1  # of the grey range; less contrast than this is an empty page

_FRAME_CONTRAST = 0.1  # of the grey range; what differs less from a frame is part of it
_MIN_INNER_SHARE = 0.4  # of each side; what surrounds less of the picture is no frame
_MAX_FRAME_GRAY_SHARE = (
    0.05  # of the inner edge; more of the outer grey than this, and it was paper
)
_BACKGROUND_SIDE = 32  # the ground is fitted on a copy of this size
_FIT_ITERATIONS = 3
_EDGE_START = 0.85  # of the way from the middle of a picture to its sides
_GRAY_TOLERANCE = 0.02  # grey values closer than this are the same paper
_MIN_LINE_CONTRAST = 0.06  # of the grey range; fainter lines are below what counts as ink anyway
_MIN_STROKE_THICKNESS = (
    7  # working pixels; a stroke is at least as thick as this where it crosses a line
)
_LINE_BLUR = 9  # working pixels along a line; evens noise out
_MIN_PAGE_SIDE = 64  # on a smaller picture a line from side to side is a stroke
_MIN_LINE_SHARE = 0.85  # of the page; a line that is shorter is a stroke


def remove_background(plane: GrayImage) -> GrayImage:
    """How far each pixel of a grey plane in 0..1 stands out from the paper, the way the ink does.

    Uneven light goes with the paper, and so do frames, bars at the sides, and the lines of ruled or
    squared paper. The result is smaller than the plane where a frame was cut off.
    """
    edge = _edge_pixels(plane)
    inside, its_edge = _crop_frame(plane, edge)
    ink = _remove_ruled_lines(_subtract_background(inside, its_edge))
    if inside.shape != plane.shape and float(ink.max()) < MIN_CONTRAST:
        return _remove_ruled_lines(
            _subtract_background(plane, edge)
        )  # no frame: a stroke as straight as one
    return ink


def bounding_box(mask: Mask) -> tuple[slice, slice]:
    """The rows and columns of the smallest box around all that is set; empty where nothing is."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(top, top + height), slice(left, left + width)


def _crop_frame(plane: GrayImage, edge: GrayImage) -> tuple[GrayImage, GrayImage]:
    """Cut off what surrounds the paper: a frame all around, or bars at two sides.

    Its grey is that of the outermost pixels, and next to none of it is left at the edge of what it
    surrounds; around a digit the paper's own grey still is. Returns the paper and its edge.
    """
    for outer in _frame_gray_candidates(plane, edge):
        inner = np.abs(plane - outer) > _FRAME_CONTRAST
        box = bounding_box(inner)
        if _is_framed(inner[box], inner):
            page = np.ascontiguousarray(plane[box])
            return _crop_frame(page, _edge_pixels(page))  # a frame may stand in a margin
    return plane, edge


def _frame_gray_candidates(plane: GrayImage, edge: GrayImage) -> Iterable[np.float32]:
    """What a frame's grey may be: that of the whole edge, or of two sides of it."""
    if _is_uniform(edge):
        return (np.float32(edge[0]),)
    return dict.fromkeys(map(_upper_median, (edge, plane[:, 0], plane[0])))


def _is_framed(page: Mask, whole: Mask) -> bool:
    """Whether a part of the picture is a page of its own; the masks tell it from the outer grey."""
    (height, width), (outer_height, outer_width) = page.shape, whole.shape
    if page.shape == whole.shape:
        return False
    if height < _MIN_INNER_SHARE * outer_height or width < _MIN_INNER_SHARE * outer_width:
        return False
    edge = _edge_pixels(page)
    return bool((edge.size - np.count_nonzero(edge)) / edge.size < _MAX_FRAME_GRAY_SHARE)


def _edge_pixels(plane: npt.NDArray[_Pixel]) -> npt.NDArray[_Pixel]:
    """The outermost pixels, in one row."""
    return np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])


def _is_uniform(values: GrayImage) -> bool:
    """Whether all are the same, as around most drawings: then there is less to do."""
    lowest, highest, _, _ = cv2.minMaxLoc(values)
    return bool(lowest == highest)


def _upper_median(values: GrayImage) -> np.float32:
    """The median, without averaging two."""
    return np.float32(np.sort(values)[values.size // 2])


def _subtract_background(plane: GrayImage, edge: GrayImage) -> GrayImage:
    """The difference from the ground, dark or light, whichever goes further."""
    difference = plane - _estimate_background(plane, edge)
    lowest, highest, _, _ = cv2.minMaxLoc(difference)
    if lowest >= 0:
        return difference
    ink: GrayImage = np.maximum(difference if highest >= -lowest else -difference, 0)
    return ink


def _estimate_background(plane: GrayImage, edge: GrayImage) -> GrayImage | np.float32:
    """The page under the ink: one grey value, or where light falls unevenly a curved surface.

    The edge of the picture tells which: the ink may cover more than half of the picture itself.
    """
    if _is_uniform(edge):
        return np.float32(edge[0])
    middle = _upper_median(edge)
    if np.count_nonzero(np.abs(edge - middle) < _GRAY_TOLERANCE) > edge.size // 2:
        return middle
    small = cv2.resize(plane, (_BACKGROUND_SIDE, _BACKGROUND_SIDE), interpolation=cv2.INTER_AREA)
    fitted = _fit_background(np.asarray(small, dtype=np.float64).ravel())
    return np.asarray(cv2.resize(fitted, plane.shape[::-1]), dtype=np.float32)


def _fit_background(values: npt.NDArray[np.float64]) -> GrayImage:
    """Fit a surface to grey values, each time leaving out what lies far off it: the ink.

    First a plane to the edge, where ink is rare, then a quadratic surface to all. Values and result
    are _GROUND_SIDE squared.
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
    """The terms of a quadratic surface at each pixel of the ground; which pixels are its edge."""
    x, y = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-1, 1, _BACKGROUND_SIDE)] * 2))
    terms = np.stack([np.ones_like(x), x, y, x * y, x**2, y**2], axis=1)
    return terms, np.maximum(np.abs(x), np.abs(y)) > _EDGE_START


def _median(values: npt.NDArray[np.float64]) -> float:
    """What np.median gives, in a fraction of its time."""
    ordered = np.sort(values)
    return float(ordered[(values.size - 1) // 2] + ordered[values.size // 2]) / 2


def _remove_ruled_lines(ink: GrayImage) -> GrayImage:
    """Take the lines of ruled or squared paper off: thin ones that cross the whole page."""
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
    spans[0] = False  # the page
    rules = (spans[labels] & (thin > 0)).astype(np.uint8)
    erased = (cv2.dilate(rules, np.ones((3, 1), np.uint8)) > 0) & (thick == 0)
    return np.where(erased, np.float32(0), ink)
