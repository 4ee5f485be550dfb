"""Pools of training pictures, made before any fit: digits as they are, varied ones, and none.

A pool is made once, in parallel, and shared by every net that learns from it.
"""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from app.training.augmentation import augment
from app.training.datasets import LabeledDigits, preprocess_all
from app.training.out_of_distribution import make_non_digit

_NON_DIGIT_SHARE = 0.1  # of the digits varied
_CHUNKS = 20  # of a pass; each has dice of its own, so that the workers' number changes nothing

_Images = npt.NDArray[np.uint8]
_Chunk = tuple[_Images, _Images]


@dataclass(frozen=True)
class AugmentedPool:
    """What nets learn from, all pictures uint8 as imaging gives them.

    `digits` (n, 28, 28) with their `labels` int64 (n,), `augmented` (passes, n, 28, 28) of the same
    digits, and `others` (m, 28, 28), which are none.
    """

    digits: _Images
    labels: npt.NDArray[np.int64]
    augmented: _Images
    non_digits: _Images

    def save(self, folder: Path) -> None:
        """Write all arrays, for other processes to share."""
        for name, array in vars(self).items():
            np.save(folder / f"{name}.npy", array)

    @classmethod
    def load(cls, folder: Path) -> "AugmentedPool":
        """Map what `save` wrote; processes that load it share one copy in memory."""
        names = ("digits", "labels", "augmented", "non_digits")
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))


def make_pool(originals: LabeledDigits, passes: int, seed: int, workers: int = 2) -> AugmentedPool:
    """Vary every digit once a pass, and make pictures of no digit."""
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as processes:
        made = processes.map(
            _augment_chunk, *zip(*_split_into_chunks(originals.digits, passes, seed), strict=True)
        )
        pieces = list(tqdm(made, "varying digits", passes * _CHUNKS, unit="piece"))
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
    """Runs in a worker: digits varied, and pictures of none made from some of them."""
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
