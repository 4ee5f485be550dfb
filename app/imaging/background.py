"""The paper under a drawing: found and taken off, so that only the ink is left."""

from collections.abc import Iterable
from functools import cache
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from app.imaging.decoding import GreyPlane

Mask = npt.NDArray[np.bool_]

_Pixel = TypeVar("_Pixel", np.float32, np.bool_)

FAINTEST_INK = 0.1  # of the grey range; less contrast than this is an empty page

_FRAME_CONTRAST = 0.1  # of the grey range; what differs less from a frame is part of it
_LEAST_INSIDE = 0.4  # of each side; what surrounds less of the picture is no frame
_LEFT_OVER = 0.05  # of the inner edge; more of the outer grey than this, and it was paper
_GROUND_SIDE = 32  # the ground is fitted on a copy of this size
_FITS = 3
_EDGE = 0.85  # of the way from the middle of a picture to its sides
_EVEN_GREY = 0.02  # grey values closer than this are the same paper
_FAINTEST_RULE = 0.06  # of the grey range; fainter lines are below what counts as ink anyway
_RULE_HEIGHT = 7  # working pixels; a stroke is at least as thick as this where it crosses a line
_RULE_BLUR = 9  # working pixels along a line; evens noise out
_SMALLEST_PAGE = 64  # on a smaller picture a line from side to side is a stroke
_RULE_SHARE = 0.85  # of the page; a line that is shorter is a stroke


def lift_ink(plane: GreyPlane) -> GreyPlane:
    """How far each pixel of a grey plane in 0..1 stands out from the paper, the way the ink does.

    Uneven light goes with the paper, and so do frames, bars at the sides, and the lines of ruled or
    squared paper. The result is smaller than the plane where a frame was cut off.
    """
    edge = _edge(plane)
    inside, its_edge = _inside_frame(plane, edge)
    ink = _without_rules(_ink(inside, its_edge))
    if inside.shape != plane.shape and float(ink.max()) < FAINTEST_INK:
        return _without_rules(_ink(plane, edge))  # no frame: a stroke as straight as one
    return ink


def bounding_box(mask: Mask) -> tuple[slice, slice]:
    """The rows and columns of the smallest box around all that is set; empty where nothing is."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(top, top + height), slice(left, left + width)


def _inside_frame(plane: GreyPlane, edge: GreyPlane) -> tuple[GreyPlane, GreyPlane]:
    """Cut off what surrounds the paper: a frame all around, or bars at two sides.

    Its grey is that of the outermost pixels, and next to none of it is left at the edge of what it
    surrounds; around a digit the paper's own grey still is. Returns the paper and its edge.
    """
    for outer in _outer_greys(plane, edge):
        inner = np.abs(plane - outer) > _FRAME_CONTRAST
        box = bounding_box(inner)
        if _is_framed(inner[box], inner):
            page = np.ascontiguousarray(plane[box])
            return _inside_frame(page, _edge(page))  # a frame may stand in a margin
    return plane, edge


def _outer_greys(plane: GreyPlane, edge: GreyPlane) -> Iterable[np.float32]:
    """What a frame's grey may be: that of the whole edge, or of two sides of it."""
    if _is_uniform(edge):
        return (np.float32(edge[0]),)
    return dict.fromkeys(map(_middle, (edge, plane[:, 0], plane[0])))


def _is_framed(page: Mask, whole: Mask) -> bool:
    """Whether a part of the picture is a page of its own; the masks tell it from the outer grey."""
    (height, width), (outer_height, outer_width) = page.shape, whole.shape
    if page.shape == whole.shape:
        return False
    if height < _LEAST_INSIDE * outer_height or width < _LEAST_INSIDE * outer_width:
        return False
    edge = _edge(page)
    return bool((edge.size - np.count_nonzero(edge)) / edge.size < _LEFT_OVER)


def _edge(plane: npt.NDArray[_Pixel]) -> npt.NDArray[_Pixel]:
    """The outermost pixels, in one row."""
    return np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])


def _is_uniform(values: GreyPlane) -> bool:
    """Whether all are the same, as around most drawings: then there is less to do."""
    lowest, highest, _, _ = cv2.minMaxLoc(values)
    return bool(lowest == highest)


def _middle(values: GreyPlane) -> np.float32:
    """The median, without averaging two."""
    return np.float32(np.sort(values)[values.size // 2])


def _ink(plane: GreyPlane, edge: GreyPlane) -> GreyPlane:
    """The difference from the ground, dark or light, whichever goes further."""
    difference = plane - _ground(plane, edge)
    lowest, highest, _, _ = cv2.minMaxLoc(difference)
    if lowest >= 0:
        return difference
    ink: GreyPlane = np.maximum(difference if highest >= -lowest else -difference, 0)
    return ink


def _ground(plane: GreyPlane, edge: GreyPlane) -> GreyPlane | np.float32:
    """The page under the ink: one grey value, or where light falls unevenly a curved surface.

    The edge of the picture tells which: the ink may cover more than half of the picture itself.
    """
    if _is_uniform(edge):
        return np.float32(edge[0])
    middle = _middle(edge)
    if np.count_nonzero(np.abs(edge - middle) < _EVEN_GREY) > edge.size // 2:
        return middle
    small = cv2.resize(plane, (_GROUND_SIDE, _GROUND_SIDE), interpolation=cv2.INTER_AREA)
    fitted = _fitted_ground(np.asarray(small, dtype=np.float64).ravel())
    return np.asarray(cv2.resize(fitted, plane.shape[::-1]), dtype=np.float32)


def _fitted_ground(values: npt.NDArray[np.float64]) -> GreyPlane:
    """Fit a surface to grey values, each time leaving out what lies far off it: the ink.

    First a plane to the edge, where ink is rare, then a quadratic surface to all. Values and result
    are _GROUND_SIDE squared.
    """
    terms, edge = _surface()
    fitted = np.full(values.size, _median(values[edge]))
    for used, near in [(terms[:, :3], edge)] * _FITS + [(terms, np.ones_like(edge))] * _FITS:
        error = np.abs(values - fitted)
        kept = near & (error <= max(_EVEN_GREY, 2.5 * _median(error[near])))
        fitted = used @ np.linalg.lstsq(used[kept], values[kept], rcond=None)[0]
    return np.asarray(fitted.reshape(_GROUND_SIDE, _GROUND_SIDE), dtype=np.float32)


@cache
def _surface() -> tuple[npt.NDArray[np.float64], Mask]:
    """The terms of a quadratic surface at each pixel of the ground; which pixels are its edge."""
    x, y = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-1, 1, _GROUND_SIDE)] * 2))
    terms = np.stack([np.ones_like(x), x, y, x * y, x**2, y**2], axis=1)
    return terms, np.maximum(np.abs(x), np.abs(y)) > _EDGE


def _median(values: npt.NDArray[np.float64]) -> float:
    """What np.median gives, in a fraction of its time."""
    ordered = np.sort(values)
    return float(ordered[(values.size - 1) // 2] + ordered[values.size // 2]) / 2


def _without_rules(ink: GreyPlane) -> GreyPlane:
    """Take the lines of ruled or squared paper off: thin ones that cross the whole page."""
    if min(ink.shape) < _SMALLEST_PAGE:
        return ink
    turned = np.ascontiguousarray(_without_lying_rules(ink).T)
    return np.ascontiguousarray(_without_lying_rules(turned).T)


def _without_lying_rules(ink: GreyPlane) -> GreyPlane:
    """Erase thin lines from side to side; the strokes that cross them are thicker and stay."""
    width = ink.shape[1]
    marks = np.asarray(cv2.blur(ink, (_RULE_BLUR, 1)) > _FAINTEST_RULE, dtype=np.uint8)
    if np.count_nonzero(marks.any(axis=0)) < _RULE_SHARE * width:
        return ink
    thick = cv2.morphologyEx(marks, cv2.MORPH_OPEN, np.ones((_RULE_HEIGHT, 1), np.uint8))
    thin = cv2.morphologyEx(marks - thick, cv2.MORPH_OPEN, np.ones((1, _RULE_BLUR), np.uint8))
    joined = cv2.morphologyEx(thin, cv2.MORPH_CLOSE, np.ones((3, width // 2), np.uint8))
    _, labels, pieces, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    spans = pieces[:, cv2.CC_STAT_WIDTH] >= _RULE_SHARE * width
    spans[0] = False  # the page
    rules = (spans[labels] & (thin > 0)).astype(np.uint8)
    erased = (cv2.dilate(rules, np.ones((3, 1), np.uint8)) > 0) & (thick == 0)
    return np.where(erased, np.float32(0), ink)
