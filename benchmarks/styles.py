"""Ways of writing digits that MNIST does not know, for asking whether a retrain learns one."""

import cv2
import numpy as np

from app.domain.predictions import DigitImage
from app.imaging.decoding import GrayImage

_SIDE = 112
_HOLLOW, _PEN = 9, 3


def hollow(digit: DigitImage) -> DigitImage:
    """The digit as an outline, as on a shop sign: light on dark, uint8 (112, 112)."""
    plane = cv2.resize(digit, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    ink: GrayImage = (plane > 100).astype(np.float32)
    thick = cv2.dilate(ink, _round(_HOLLOW))
    outline = cv2.dilate(thick, _round(_PEN)) - cv2.erode(thick, _round(_PEN))
    return np.asarray(outline * 255, dtype=np.uint8)


def _round(size: int) -> DigitImage:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
