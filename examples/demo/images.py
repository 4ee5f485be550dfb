"""Images that the demo's users send, with their labels; made from digits of MNIST.

The digits are of the training set, since the golden and the validation set have other uses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from app.domain.predictions import DigitImage
from app.imaging.decoding import encode_png
from app.training.augmentation import augment
from app.training.datasets import LabeledDigits
from app.training.mnist_c import CORRUPTIONS
from app.training.out_of_distribution import make_non_digit
from app.training.synthetic_images import RENDERERS, encode_image

NO_DIGIT, BLANK = "no digit", "blank"

_WORN_CORRUPTIONS = ("rotate", "shear", "motion_blur", "fog", "spatter", "dotted_line")


@dataclass(frozen=True)
class SampleImage:
    """An image file, and its digit if there is one."""

    file: bytes
    digit: int | None


def sample_image(style: str, digits: LabeledDigits, rng: Generator) -> SampleImage:
    """Return an image of a random one of these digits, or of none, in one of STYLES."""
    index = int(rng.integers(len(digits.labels)))
    file = STYLES[style](digits.digits[index], rng)
    return SampleImage(file, None if style in {NO_DIGIT, BLANK} else int(digits.labels[index]))


def _scrawl(digit: DigitImage, rng: Generator) -> bytes:
    """Augment twice, as in hurried handwriting."""
    return encode_png(augment(augment(digit, rng), rng))


def _outline(digit: DigitImage, rng: Generator) -> bytes:
    """Keep only the edges of the strokes: a style on which neither bundled model was trained."""
    return encode_png(CORRUPTIONS["canny_edges"](digit, rng))


def _worn(digit: DigitImage, rng: Generator) -> bytes:
    """Rotate, shear, blur, fog, spatter or strike out."""
    return encode_png(
        CORRUPTIONS[_WORN_CORRUPTIONS[rng.integers(len(_WORN_CORRUPTIONS))]](digit, rng)
    )


def _no_digit(digit: DigitImage, rng: Generator) -> bytes:
    """Draw a letter, a scribble or a jumble."""
    return encode_png(make_non_digit(digit, rng))


def _blank(_: DigitImage, __: Generator) -> bytes:
    """Return a blank page."""
    return encode_image(np.ones((120, 120)), "PNG")


STYLES: Mapping[str, Callable[[DigitImage, Generator], bytes]] = {
    **RENDERERS,
    "scrawl": _scrawl,
    "outline": _outline,
    "worn": _worn,
    NO_DIGIT: _no_digit,
    BLANK: _blank,
}
