"""What models are examined on: labelled digits as picture files, read by the imaging that serves.

An exam holds pictures as imaging gave them; one that it refused counts as wrong.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from tqdm import tqdm

from app.domain.errors import ImageError
from app.domain.predictions import IMAGE_SIZE, DigitImage
from app.imaging import normalization
from app.imaging.decoding import encode_png
from app.services.models.onnx_runtime import InferenceSession
from app.training.datasets import LabeledDigits
from app.training.mnist_c import CORRUPTIONS
from app.training.synthetic_images import RENDERERS

SEED = 1

LabeledFiles = tuple[list[bytes], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class EvaluationSet:
    """Pictures uint8 (n, 28, 28) as imaging gave them, whether it refused each, what each shows."""

    pictures: npt.NDArray[np.uint8]
    refused: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.int64]

    def probabilities(self, session: InferenceSession) -> npt.NDArray[np.float32]:
        """What a model says of every picture, float32 (n, 10)."""
        parts = np.array_split(normalization.to_model_input(self.pictures), 10)
        return np.concatenate([session.run(None, {"digits": part})[0] for part in parts])

    def right(self, session: InferenceSession) -> npt.NDArray[np.bool_]:
        """Which pictures a model names right."""
        named = self.probabilities(session).argmax(axis=1)
        return np.asarray(~self.refused & (named == self.labels))


def make_set(name: str, files: Iterable[bytes], labels: npt.NDArray[np.int64]) -> EvaluationSet:
    """Read picture files as the service does; a refused one is kept as an empty picture."""
    read = [preprocess_or_none(file) for file in tqdm(files, name, len(labels), leave=False)]
    empty = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    pictures = np.stack([empty if digit is None else digit for digit in read])
    return EvaluationSet(pictures, np.array([digit is None for digit in read]), labels)


def preprocess_or_none(file: bytes) -> DigitImage | None:
    """What imaging makes of a file; None where it refuses it."""
    try:
        return normalization.preprocess(file)
    except ImageError:
        return None


def plain_set(name: str, of: LabeledDigits) -> EvaluationSet:
    """The digits themselves."""
    return make_set(name, map(encode_png, of.digits), of.labels)


def render_images(kind: str, of: LabeledDigits, count: int) -> LabeledFiles:
    """Picture files of a kind from the first digits, the same each time."""
    rng = np.random.default_rng(SEED)
    return [RENDERERS[kind](digit, rng) for digit in of.digits[:count]], of.labels[:count]


def corrupted_set(name: str, of: LabeledDigits) -> EvaluationSet:
    """Digits under one of MNIST-C's corruptions."""
    return transformed_set(name, of, CORRUPTIONS[name])


def transformed_set(
    name: str, of: LabeledDigits, change: Callable[[DigitImage, Generator], DigitImage]
) -> EvaluationSet:
    """Digits with something done to each, the same each time."""
    rng = np.random.default_rng(SEED)
    return make_set(name, (encode_png(change(digit, rng)) for digit in of.digits), of.labels)
