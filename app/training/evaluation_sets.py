"""Evaluation sets: labeled digits as image files, preprocessed as in serving.

A set contains preprocessed images; one that was rejected counts as wrong.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from tqdm import tqdm

from app.domain.errors import ImageError
from app.domain.predictions import IMAGE_SIZE, DigitImage
from app.imaging.decoding import encode_png
from app.imaging.normalization import to_model_input
from app.imaging.preprocessing import Preprocessed, preprocess
from app.onnx_runtime import InferenceSession
from app.training.datasets import LabeledDigits
from app.training.mnist_c import CORRUPTIONS
from app.training.synthetic_images import RENDERERS

SEED = 1

LabeledFiles = tuple[list[bytes], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class EvaluationSet:
    """Preprocessed images uint8 (n, 28, 28), whether each was rejected, and their labels (n,)."""

    images: npt.NDArray[np.uint8]
    rejected: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.int64]

    def probabilities(self, session: InferenceSession) -> npt.NDArray[np.float32]:
        """Return a model's probabilities for every image, float32 (n, 10)."""
        parts = np.array_split(to_model_input(self.images), 10)
        return np.concatenate([session.run(None, {"digits": part})[0] for part in parts])

    def correct(self, session: InferenceSession) -> npt.NDArray[np.bool_]:
        """Return for each image whether a model's prediction is correct, bool (n,)."""
        predicted = self.probabilities(session).argmax(axis=1)
        return np.asarray(~self.rejected & (predicted == self.labels))


def make_set(name: str, files: Iterable[bytes], labels: npt.NDArray[np.int64]) -> EvaluationSet:
    """Preprocess image files as in serving; a rejected one becomes an empty image."""
    files = tqdm(files, name, len(labels), leave=False)
    return set_of([preprocess_or_none(file) for file in files], labels)


def set_of(found: Sequence[Preprocessed | None], labels: npt.NDArray[np.int64]) -> EvaluationSet:
    """Return preprocessed images as a set; None is one that was rejected."""
    empty = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    images = np.stack([empty if each is None else each.digit for each in found])
    return EvaluationSet(images, np.array([each is None for each in found]), labels)


def preprocess_or_none(file: bytes) -> Preprocessed | None:
    """Preprocess an image file; None if it is rejected."""
    try:
        return preprocess(file)
    except ImageError:
        return None


def plain_set(name: str, of: LabeledDigits) -> EvaluationSet:
    """Return the digits themselves as a set."""
    return make_set(name, map(encode_png, of.digits), of.labels)


def render_images(kind: str, of: LabeledDigits, count: int) -> LabeledFiles:
    """Render the first digits as image files of a kind, the same each time."""
    rng = np.random.default_rng(SEED)
    return [RENDERERS[kind](digit, rng) for digit in of.digits[:count]], of.labels[:count]


def corrupted_set(name: str, of: LabeledDigits) -> EvaluationSet:
    """Return the digits under one of MNIST-C's corruptions."""
    return transformed_set(name, of, CORRUPTIONS[name])


def transformed_set(
    name: str, of: LabeledDigits, change: Callable[[DigitImage, Generator], DigitImage]
) -> EvaluationSet:
    """Return the digits after a random transformation, the same each time."""
    rng = np.random.default_rng(SEED)
    return make_set(name, (encode_png(change(digit, rng)) for digit in of.digits), of.labels)
