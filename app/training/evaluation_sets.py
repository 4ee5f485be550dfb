"""What models are examined on: labelled digits as picture files, read by the imaging that serves.

An exam holds pictures as imaging gave them; one that it refused counts as wrong.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from app.domain.errors import PictureError
from app.domain.predictions import SIDE, Digit
from app.imaging import normalization
from app.imaging.decoding import encode_png
from app.services.models.onnx_runtime import Session
from app.training.datasets import LabelledDigits
from app.training.mnist_c import CORRUPTIONS
from app.training.synthetic_images import KINDS, Dice

SEED = 1

Labelled = tuple[list[bytes], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Exam:
    """Pictures uint8 (n, 28, 28) as imaging gave them, whether it refused each, what each shows."""

    pictures: npt.NDArray[np.uint8]
    refused: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.int64]

    def probabilities(self, session: Session) -> npt.NDArray[np.float32]:
        """What a model says of every picture, float32 (n, 10)."""
        parts = np.array_split(normalization.as_input(self.pictures), 10)
        return np.concatenate([session.run(None, {"digits": part})[0] for part in parts])

    def right(self, session: Session) -> npt.NDArray[np.bool_]:
        """Which pictures a model names right."""
        named = self.probabilities(session).argmax(axis=1)
        return np.asarray(~self.refused & (named == self.labels))


def exam(name: str, files: Iterable[bytes], labels: npt.NDArray[np.int64]) -> Exam:
    """Read picture files as the service does; a refused one is kept as an empty picture."""
    read = [read_or_none(file) for file in tqdm(files, name, len(labels), leave=False)]
    empty = np.zeros((SIDE, SIDE), dtype=np.uint8)
    pictures = np.stack([empty if digit is None else digit for digit in read])
    return Exam(pictures, np.array([digit is None for digit in read]), labels)


def read_or_none(file: bytes) -> Digit | None:
    """What imaging makes of a file; None where it refuses it."""
    try:
        return normalization.read(file)
    except PictureError:
        return None


def plain(name: str, of: LabelledDigits) -> Exam:
    """The digits themselves."""
    return exam(name, map(encode_png, of.digits), of.labels)


def made(kind: str, of: LabelledDigits, count: int) -> Labelled:
    """Picture files of a kind from the first digits, the same each time."""
    dice = np.random.default_rng(SEED)
    return [KINDS[kind](digit, dice) for digit in of.digits[:count]], of.labels[:count]


def corrupted(name: str, of: LabelledDigits) -> Exam:
    """Digits under one of MNIST-C's corruptions."""
    return changed(name, of, CORRUPTIONS[name])


def changed(name: str, of: LabelledDigits, change: Callable[[Digit, Dice], Digit]) -> Exam:
    """Digits with something done to each, the same each time."""
    dice = np.random.default_rng(SEED)
    return exam(name, (encode_png(change(digit, dice)) for digit in of.digits), of.labels)
