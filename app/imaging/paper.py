"""The paper under a drawing: found and taken off, so that only the ink is left."""

import cv2
import numpy as np
import numpy.typing as npt

from app.imaging.pictures import GreyPlane

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
    inside = _inside_frame(plane)
    ink = _without_rules(_ink(inside))
    if inside.shape != plane.shape and float(ink.max()) < FAINTEST_INK:
        return _without_rules(_ink(plane))  # no frame: a stroke as straight as one
    return ink


def _inside_frame(plane: GreyPlane) -> GreyPlane:
    """Cut off what surrounds the paper: a frame all around, or bars at two sides.

    Its grey is that of the outermost pixels, and next to none of it is left at the edge of what it
    surrounds; around a digit the paper's own grey still is.
    """
    for outer in dict.fromkeys(map(_middle, (_edge(plane), plane[:, 0], plane[0]))):
        inner = np.abs(plane - outer) > _FRAME_CONTRAST
        rows, columns = np.flatnonzero(inner.any(axis=1)), np.flatnonzero(inner.any(axis=0))
        if rows.size < _LEAST_INSIDE * len(plane) or columns.size < _LEAST_INSIDE * plane.shape[1]:
            continue
        inside = plane[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        left_over = np.abs(_edge(inside) - outer) <= _FRAME_CONTRAST
        if inside.shape != plane.shape and np.mean(left_over) < _LEFT_OVER:
            return _inside_frame(np.ascontiguousarray(inside))  # a frame may stand in a margin
    return plane


def _edge(plane: GreyPlane) -> GreyPlane:
    """The outermost pixels, in one row."""
    return np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])


def _middle(values: GreyPlane) -> np.float32:
    """The median, without averaging two."""
    return np.float32(np.partition(values, values.size // 2)[values.size // 2])


def _ink(plane: GreyPlane) -> GreyPlane:
    """The difference from the ground, dark or light, whichever goes further."""
    difference = plane - _ground(plane)
    darker, lighter = float(-difference.min()), float(difference.max())
    ink: GreyPlane = np.maximum(difference if lighter >= darker else -difference, 0)
    return ink


def _ground(plane: GreyPlane) -> GreyPlane | np.float32:
    """The page under the ink: one grey value, or where light falls unevenly a curved surface.

    The edge of the picture tells which: the ink may cover more than half of the picture itself.
    """
    edge = _edge(plane)
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
    x, y = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-1, 1, _GROUND_SIDE)] * 2))
    terms = np.stack([np.ones_like(x), x, y, x * y, x**2, y**2], axis=1)
    edge = np.maximum(np.abs(x), np.abs(y)) > _EDGE
    fitted = np.full(values.size, np.median(values[edge]))
    for used, near in [(terms[:, :3], edge)] * _FITS + [(terms, np.ones_like(edge))] * _FITS:
        error = np.abs(values - fitted)
        kept = near & (error <= max(_EVEN_GREY, 2.5 * float(np.median(error[near]))))
        fitted = used @ np.linalg.lstsq(used[kept], values[kept], rcond=None)[0]
    return np.asarray(fitted.reshape(_GROUND_SIDE, _GROUND_SIDE), dtype=np.float32)


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
