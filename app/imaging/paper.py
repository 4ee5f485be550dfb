"""The paper under a drawing: found and taken off, so that only the ink is left."""

import cv2
import numpy as np
import numpy.typing as npt

from app.imaging.pictures import GreyPlane

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

    Uneven light goes with the paper, and so do the lines of ruled or squared paper.
    """
    return _without_rules(_ink(plane))


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
    edge = np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])
    middle = np.partition(edge, edge.size // 2)[edge.size // 2]
    if np.count_nonzero(np.abs(edge - middle) < _EVEN_GREY) > edge.size // 2:
        return np.float32(middle)
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
    for used, near in [(terms[:, :3], edge)] * _FITS + [(terms, np.full_like(edge, 1))] * _FITS:
        error = np.abs(values - fitted)
        kept = near & (error <= max(_EVEN_GREY, 2.5 * float(np.median(error[near]))))
        fitted = used @ np.linalg.lstsq(used[kept], values[kept], rcond=None)[0]
    return np.asarray(fitted.reshape(_GROUND_SIDE, _GROUND_SIDE), dtype=np.float32)


def _without_rules(ink: GreyPlane) -> GreyPlane:
    """Take the lines of ruled or squared paper off: thin ones that cross the whole page."""
    if min(ink.shape) < _SMALLEST_PAGE:
        return ink
    for turned in (False, True):
        lying = np.ascontiguousarray(ink.T) if turned else ink
        lying = _without_lying_rules(lying)
        ink = np.ascontiguousarray(lying.T) if turned else lying
    return ink


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
