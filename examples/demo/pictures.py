"""Pictures as the demo's people send them, with what they show; made from digits of MNIST.

The digits are of the training set: the golden and the validation set have other uses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from app.domain.predictions import Digit
from app.imaging.decoding import encode_png
from app.training.augmentation import varied
from app.training.datasets import LabelledDigits
from app.training.mnist_c import CORRUPTIONS
from app.training.out_of_distribution import unlike_any_digit
from app.training.synthetic_images import KINDS, Dice, file_of

NO_DIGIT, BLANK = "no digit", "blank"

_WEAR = ("rotate", "shear", "motion_blur", "fog", "spatter", "dotted_line")


@dataclass(frozen=True)
class Picture:
    """A picture file, and the digit on it if there is one."""

    file: bytes
    shows: int | None


def picture(style: str, digits: LabelledDigits, dice: Dice) -> Picture:
    """A picture of any one of these digits, or of none, in one of STYLES."""
    index = int(dice.integers(len(digits.labels)))
    file = STYLES[style](digits.digits[index], dice)
    return Picture(file, None if style in {NO_DIGIT, BLANK} else int(digits.labels[index]))


def _scrawl(digit: Digit, dice: Dice) -> bytes:
    """Bent and dirtied, and the same once more: a hurried hand."""
    return encode_png(varied(varied(digit, dice), dice))


def _outline(digit: Digit, dice: Dice) -> bytes:
    """Only the edges of the strokes: a style that neither shipped model was taught."""
    return encode_png(CORRUPTIONS["canny_edges"](digit, dice))


def _worn(digit: Digit, dice: Dice) -> bytes:
    """Turned, slanted, shaken, in fog, spattered or struck out."""
    return encode_png(CORRUPTIONS[_WEAR[dice.integers(len(_WEAR))]](digit, dice))


def _no_digit(digit: Digit, dice: Dice) -> bytes:
    """A letter, a scribble, a jumble."""
    return encode_png(unlike_any_digit(digit, dice))


def _blank(_: Digit, __: Dice) -> bytes:
    """An empty page."""
    return file_of(np.ones((120, 120)), "PNG")


STYLES: Mapping[str, Callable[[Digit, Dice], bytes]] = {
    **KINDS,
    "scrawl": _scrawl,
    "outline": _outline,
    "worn": _worn,
    NO_DIGIT: _no_digit,
    BLANK: _blank,
}
