"""MNIST split into its three sets, each for one purpose.

Training set (54,000): trained on. Validation set (6,000): temperature, promotion gates and
attention checks; never trained on. Golden set (the 10,000 test images): for reported figures only;
nothing is selected with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from app.domain.errors import ImageError
from app.domain.predictions import IMAGE_SIZE, DigitImage
from app.imaging.preprocessing import preprocess_gray

MNIST = Path(__file__).parents[2] / "models" / "data" / "mnist.npz"
VALIDATION_SIZE = 6_000
_SPLIT_SEED = 20_260_901  # never change it: another seed would leak validation images into training


@dataclass(frozen=True)
class LabeledDigits:
    """Digits uint8 (n, 28, 28) as in MNIST, and their labels int64 (n,)."""

    digits: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class BaseSets:
    """The three sets; `golden` is for reporting only."""

    training: LabeledDigits
    validation: LabeledDigits
    golden: LabeledDigits


def load_base_sets(path: Path = MNIST) -> BaseSets:
    """Load MNIST and split it; the same 6,000 of the 60,000 are the validation set each time."""
    with np.load(path) as archive:
        digits, labels = archive["x_train"], archive["y_train"].astype(np.int64)
        golden = LabeledDigits(archive["x_test"], archive["y_test"].astype(np.int64))
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(digits))
    held_out, rest = order[:VALIDATION_SIZE], order[VALIDATION_SIZE:]
    return BaseSets(
        training=LabeledDigits(digits[rest], labels[rest]),
        validation=LabeledDigits(digits[held_out], labels[held_out]),
        golden=golden,
    )


def preprocess_all(digits: npt.NDArray[np.uint8], what: str) -> npt.NDArray[np.uint8]:
    """Preprocess digits (n, 28, 28) as in serving; a rejected one becomes an empty image.

    Models predict empty images at random, so a rejection counts as an error in every figure.
    """
    shown: Iterable[DigitImage] = tqdm(
        digits, desc=f"normalizing {what}", unit="digit", leave=False
    )
    return np.stack([_normalize_or_empty(digit) for digit in shown])


def _normalize_or_empty(digit: DigitImage) -> DigitImage:
    try:
        return preprocess_gray(digit).digit
    except ImageError:
        return np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
