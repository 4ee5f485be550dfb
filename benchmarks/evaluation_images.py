"""Evaluation images of the benchmarks: golden digits of every kind, scans, and stress tests."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from sklearn.datasets import load_digits

from app.domain.predictions import DigitImage
from app.imaging.page import GrayImage
from app.training.datasets import LabeledDigits
from app.training.evaluation_sets import EvaluationSet, LabeledFiles, render_images, transformed_set
from app.training.synthetic_images import encode_image

IMAGES_PER_KIND = 2_000
_ENLARGED = 64  # pixels a side, of small digits
FEWER_IMAGES = {"huge": 300}


def images_of_kind(kind: str, golden: LabeledDigits) -> LabeledFiles:
    """Render the first golden digits as image files of a kind."""
    return render_images(kind, golden, FEWER_IMAGES.get(kind, IMAGES_PER_KIND))


def scanned_digits() -> LabeledFiles:
    """Return scikit-learn's 1,797 digits of 8x8 as PNG files of 64x64, with their labels."""
    bunch = load_digits()
    return enlarged_files(bunch.images / 16), bunch.target


def enlarged_files(images: npt.NDArray[np.float64]) -> list[bytes]:
    """Return images (n, side, side) in 0..1 as PNG files of 64x64."""
    size = (_ENLARGED, _ENLARGED)
    planes = [cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) for image in images]
    return [encode_image(plane, "PNG") for plane in planes]


def stressed_set(name: str, golden: LabeledDigits) -> EvaluationSet:
    """Return golden digits under one of STRESSES."""

    def change(digit: DigitImage, rng: Generator) -> DigitImage:
        plane = STRESSES[name](digit.astype(np.float32) / np.float32(255), rng)
        return np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)

    return transformed_set(name, golden, change)


def _transform(
    plane: GrayImage, rng: Generator, *, degrees: float = 0, shear: float = 0
) -> GrayImage:
    """Rotate or shear in a random direction about the center, on a page with room for it."""
    page = np.pad(plane, 6)
    middle = len(page) / 2 - 0.5
    sign = 1 if rng.random() < 0.5 else -1
    matrix = cv2.getRotationMatrix2D((middle, middle), sign * degrees, 1)
    matrix[0, 1] += sign * shear
    matrix[0, 2] -= sign * shear * middle
    return np.asarray(cv2.warpAffine(page, matrix, page.shape), dtype=np.float32)


def _shift(plane: GrayImage, rng: Generator) -> GrayImage:
    down, across = rng.integers(0, 29, 2)
    return np.pad(plane, ((down, 28 - down), (across, 28 - across)))


def _change_thickness(plane: GrayImage, _: Generator, *, thicker: bool) -> GrayImage:
    """Change the stroke's thickness by about a pixel of MNIST's, at twice the size."""
    large = cv2.resize(plane, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    return np.asarray((cv2.dilate if thicker else cv2.erode)(large, pen), dtype=np.float32)


def _add_noise(plane: GrayImage, rng: Generator) -> GrayImage:
    grain = rng.standard_normal(plane.shape, dtype=np.float32)
    return 0.2 + 0.6 * plane + np.float32(0.1) * grain


def _blur(plane: GrayImage, _: Generator) -> GrayImage:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), 1.2), dtype=np.float32)


def _lower_resolution(plane: GrayImage, _: Generator) -> GrayImage:
    """Downsample to 11x11 pixels, then enlarge."""
    small = cv2.resize(plane, (11, 11), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (44, 44), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


STRESSES: dict[str, Callable[[GrayImage, Generator], GrayImage]] = {
    "shifted by up to 14 pixels": _shift,
    "rotated by 20 degrees": partial(_transform, degrees=20),
    "sheared by 0.4": partial(_transform, shear=0.4),
    "thicker": partial(_change_thickness, thicker=True),
    "thinner": partial(_change_thickness, thicker=False),
    "noise, 0.1 of the range": _add_noise,
    "blur, 1.2 pixels": _blur,
    "seen through 11x11 pixels": _lower_resolution,
}
