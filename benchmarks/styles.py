"""Handwriting styles that MNIST does not contain, for testing whether a retrain learns one."""

import cv2
import numpy as np

from app.domain.predictions import DigitImage
from app.imaging.page import GrayImage

_SIDE = 112
_OUTLINE_WIDTH, _PEN_WIDTH = 9, 3


def outline(digit: DigitImage) -> DigitImage:
    """Return the digit as an outline, as on a shop sign: light on dark, uint8 (112, 112)."""
    plane = cv2.resize(digit, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    ink: GrayImage = (plane > 100).astype(np.float32)
    thick = cv2.dilate(ink, _round_kernel(_OUTLINE_WIDTH))
    outline = cv2.dilate(thick, _round_kernel(_PEN_WIDTH)) - cv2.erode(
        thick, _round_kernel(_PEN_WIDTH)
    )
    return np.asarray(outline * 255, dtype=np.uint8)


def _round_kernel(size: int) -> DigitImage:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
