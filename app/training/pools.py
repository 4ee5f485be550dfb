"""Pools of training pictures, made before a fit: varied digits, and pictures of no digit.

A pool is made once and shared by every net that learns from it, so that what a teacher says of a
picture can be kept beside it.
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

from app.training.nondigits import unlike_any_digit
from app.training.sets import LabelledDigits
from app.training.variants import varied

NON_DIGIT_SHARE = 0.1  # beside the digits
_CLASSES = 10
_PIECES = 20  # of a pass; each has dice of its own, so that the workers' number changes nothing

_Pictures = npt.NDArray[np.uint8]
_Piece = tuple[_Pictures, _Pictures]


@dataclass(frozen=True)
class Pool:
    """Passes over a set: in each every digit varied anew and, behind them, pictures of no digit.

    `digits` is uint8 (passes, n, 28, 28); `targets` float32 (passes, n, 10), probabilities.
    """

    digits: _Pictures
    targets: npt.NDArray[np.float32]

    def save(self, folder: Path) -> None:
        """Write both arrays, for other processes to share."""
        np.save(folder / "digits.npy", self.digits)
        np.save(folder / "targets.npy", self.targets)

    @classmethod
    def load(cls, folder: Path) -> "Pool":
        """Map what `save` wrote; processes that load it share one copy in memory."""
        return cls(
            np.load(folder / "digits.npy", mmap_mode="r"),
            np.load(folder / "targets.npy", mmap_mode="r"),
        )


def make_pool(originals: LabelledDigits, passes: int, seed: int, workers: int = 2) -> Pool:
    """Vary every digit once a pass; a digit's target is its label, a non-digit's is even."""
    non_digits = sum(_non_digits(len(piece)) for piece in _split(originals.digits))
    even = np.full((non_digits, _CLASSES), 1 / _CLASSES, dtype=np.float32)
    targets = np.concatenate([np.eye(_CLASSES, dtype=np.float32)[originals.labels], even])
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as processes:
        made = processes.map(_piece, *zip(*_pieces(originals.digits, passes, seed), strict=True))
        pieces = list(tqdm(made, "varying digits", passes * _PIECES, unit="piece"))
    digits = np.stack([_joined(pieces[at : at + _PIECES]) for at in range(0, len(pieces), _PIECES)])
    return Pool(digits, np.broadcast_to(targets, (passes, *targets.shape)))


def _pieces(digits: _Pictures, passes: int, seed: int) -> Iterator[tuple[_Pictures, list[int]]]:
    for turn in range(passes):
        for number, piece in enumerate(_split(digits)):
            yield piece, [seed, turn, number]


def _split(digits: _Pictures) -> list[_Pictures]:
    return np.array_split(digits, _PIECES)


def _non_digits(digits: int) -> int:
    return round(digits * NON_DIGIT_SHARE)


def _piece(digits: _Pictures, seeds: list[int]) -> _Piece:
    """Runs in a worker: varied digits, and the pictures of no digit that go with them."""
    cv2.setNumThreads(1)
    dice = np.random.default_rng(seeds)
    others = digits[: _non_digits(len(digits))]
    return (
        np.stack([varied(digit, dice) for digit in digits]),
        np.stack([unlike_any_digit(digit, dice) for digit in others]),
    )


def _joined(pieces: list[_Piece]) -> _Pictures:
    digits, others = zip(*pieces, strict=True)
    return np.concatenate([*digits, *others])
