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

from app.training.augmentation import varied
from app.training.datasets import LabelledDigits, as_served
from app.training.out_of_distribution import unlike_any_digit

_OTHERS_SHARE = 0.1  # of the digits varied
_PIECES = 20  # of a pass; each has dice of its own, so that the workers' number changes nothing

_Pictures = npt.NDArray[np.uint8]
_Piece = tuple[_Pictures, _Pictures]


@dataclass(frozen=True)
class Pool:
    """What nets learn from, all pictures uint8 as imaging gives them.

    `digits` (n, 28, 28) with their `labels` int64 (n,), `varied` (passes, n, 28, 28) of the same
    digits, and `others` (m, 28, 28), which are none.
    """

    digits: _Pictures
    labels: npt.NDArray[np.int64]
    varied: _Pictures
    others: _Pictures

    def save(self, folder: Path) -> None:
        """Write all arrays, for other processes to share."""
        for name, array in vars(self).items():
            np.save(folder / f"{name}.npy", array)

    @classmethod
    def load(cls, folder: Path) -> "Pool":
        """Map what `save` wrote; processes that load it share one copy in memory."""
        names = ("digits", "labels", "varied", "others")
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))


def make_pool(originals: LabelledDigits, passes: int, seed: int, workers: int = 2) -> Pool:
    """Vary every digit once a pass, and make pictures of no digit."""
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as processes:
        made = processes.map(_piece, *zip(*_pieces(originals.digits, passes, seed), strict=True))
        pieces = list(tqdm(made, "varying digits", passes * _PIECES, unit="piece"))
    digits, others = zip(*pieces, strict=True)
    by_pass = [np.concatenate(digits[at : at + _PIECES]) for at in range(0, len(digits), _PIECES)]
    plain = as_served(originals.digits, "digits")
    return Pool(plain, originals.labels, np.stack(by_pass), np.concatenate(others))


def _pieces(digits: _Pictures, passes: int, seed: int) -> Iterator[tuple[_Pictures, list[int]]]:
    for turn in range(passes):
        for number, piece in enumerate(np.array_split(digits, _PIECES)):
            yield piece, [seed, turn, number]


def _piece(digits: _Pictures, seeds: list[int]) -> _Piece:
    """Runs in a worker: digits varied, and pictures of none made from some of them."""
    cv2.setNumThreads(1)
    dice = np.random.default_rng(seeds)
    return (
        np.stack([varied(digit, dice) for digit in digits]),
        np.stack([unlike_any_digit(digit, dice) for digit in digits[: _others(len(digits))]]),
    )


def _others(digits: int) -> int:
    return round(digits * _OTHERS_SHARE)
