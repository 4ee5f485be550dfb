"""Pools of training images: plain digits, augmented digits, and images of no digit.

A pool is generated once, in parallel, and shared by every network that is trained on it.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from app.training.augmentation import augment
from app.training.datasets import LabeledDigits, preprocess_all
from app.training.out_of_distribution import make_non_digit

_NON_DIGIT_SHARE = 0.1  # of the augmented digits
_CHUNKS = 20  # per pass; each has its own generator, so that the number of workers does not matter

_Images = npt.NDArray[np.uint8]
_Chunk = tuple[_Images, _Images]


@dataclass(frozen=True)
class AugmentedPool:
    """Training images, all uint8 and preprocessed.

    `digits` (n, 28, 28) with their `labels` int64 (n,), `augmented` (passes, n, 28, 28) of the same
    digits, and `non_digits` (m, 28, 28).
    """

    digits: _Images
    labels: npt.NDArray[np.int64]
    augmented: _Images
    non_digits: _Images

    def save(self, folder: Path) -> None:
        """Save all arrays in a new folder, which is there once all of them are."""
        unfinished = folder.with_suffix(".tmp")
        unfinished.mkdir(parents=True, exist_ok=True)
        for name, array in vars(self).items():
            np.save(unfinished / f"{name}.npy", array)
        unfinished.rename(folder)

    @classmethod
    def load(cls, folder: Path) -> "AugmentedPool":
        """Memory-map what `save` wrote; processes that load it share one copy."""
        names = ("digits", "labels", "augmented", "non_digits")
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))


def make_pool(
    originals: LabeledDigits, passes: int, seed: int, executor: Executor
) -> AugmentedPool:
    """Augment every digit once per pass, and make images of no digit."""
    made = executor.map(
        _augment_chunk, *zip(*_split_into_chunks(originals.digits, passes, seed), strict=True)
    )
    pieces = list(tqdm(made, "augmenting digits", passes * _CHUNKS, unit="chunk"))
    digits, non_digits = zip(*pieces, strict=True)
    by_pass = [np.concatenate(digits[at : at + _CHUNKS]) for at in range(0, len(digits), _CHUNKS)]
    plain = preprocess_all(originals.digits, "digits")
    return AugmentedPool(plain, originals.labels, np.stack(by_pass), np.concatenate(non_digits))


def _split_into_chunks(
    digits: _Images, passes: int, seed: int
) -> Iterator[tuple[_Images, list[int]]]:
    for turn in range(passes):
        for number, piece in enumerate(np.array_split(digits, _CHUNKS)):
            yield piece, [seed, turn, number]


def _augment_chunk(digits: _Images, seeds: list[int]) -> _Chunk:
    """Augment a chunk of digits, and make images of no digit from some; runs in a worker."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seeds)
    return (
        np.stack([augment(digit, rng) for digit in digits]),
        np.stack(
            [make_non_digit(digit, rng) for digit in digits[: _count_non_digits(len(digits))]]
        ),
    )


def _count_non_digits(digits: int) -> int:
    return round(digits * _NON_DIGIT_SHARE)
