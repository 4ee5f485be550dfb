"""Drift: whether the pictures of late are read otherwise than those of a reference window."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ALARM_P_VALUE = 0.001  # p-value of a window
PERMUTATIONS = 9_999
FEATURES = ("digits", "confidence", "disagreement")

_CHUNK_SIZE = 250  # permutations; bounds memory, and how long one step takes
_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PredictionWindow:
    """Answers in a row, arrays (n,): the digit named, how sure, and whether the versions differ.

    `disagreements` is nan where only one version was run.
    """

    digits: npt.NDArray[np.int64]
    confidences: _Floats
    disagreements: _Floats


@dataclass(frozen=True)
class Drift:
    """How likely so much of a difference is between windows of the same world, and what differs."""

    p_value: float
    feature: str

    @property
    def is_alarm(self) -> bool:
        """Whether admins should be told."""
        return self.p_value <= ALARM_P_VALUE


def compare(
    reference: PredictionWindow, recent: PredictionWindow, rng: np.random.Generator
) -> Drift:
    """Test that two windows are of one world, by permutation of who belongs to which.

    Three statistics: the digits' mix (chi-square), confidence (rank sum), the share of
    disagreements. Each is turned into its own p-value within the permutations, and the smallest of
    the three is compared with the smallest of each permutation (Westfall and Young, 1993): exact
    whatever the distributions.
    """
    features = _features(reference, recent)
    size, total = len(recent.digits), len(features)
    observed = np.zeros((1, total), dtype=np.float32)
    observed[:, total - size :] = 1
    drawn = [_statistics(observed, features)]
    drawn += [_statistics(chosen, features) for chosen in _permutations(size, total, rng)]
    statistics = np.concatenate(drawn)
    p_values = np.column_stack([_p_values(column) for column in statistics.T])
    smallest = p_values.min(axis=1)
    return Drift(
        p_value=float((smallest <= smallest[0]).mean()), feature=FEATURES[int(p_values[0].argmin())]
    )


def _features(reference: PredictionWindow, recent: PredictionWindow) -> _Floats:
    """One row for each answer (n, 13): its digit, its rank, whether it disagrees, if known."""
    digits, confidences, disagreements = (
        np.concatenate([getattr(reference, name), getattr(recent, name)])
        for name in ("digits", "confidences", "disagreements")
    )
    _, place, ties = np.unique(confidences, return_inverse=True, return_counts=True)
    ranks = ((ties.cumsum() - ties / 2) / len(confidences) - 0.5)[place]
    known = ~np.isnan(disagreements)
    columns = [np.eye(10)[digits], ranks, np.where(known, disagreements, 0), known]
    return np.column_stack(columns).astype(np.float32)


def _permutations(size: int, total: int, rng: np.random.Generator) -> Iterator[_Floats]:
    """Who belongs to the recent window, (m, n), at random."""
    for begun in range(0, PERMUTATIONS, _CHUNK_SIZE):
        luck = rng.random((min(_CHUNK_SIZE, PERMUTATIONS - begun), total), dtype=np.float32)
        last = np.partition(luck, size - 1, axis=1)[:, size - 1 : size]
        yield (luck <= last).astype(np.float32)


def _statistics(chosen: _Floats, features: _Floats) -> npt.NDArray[np.float64]:
    """The three statistics (m, 3) of each choice (m, n); larger is less alike."""
    inside = (chosen @ features).astype(np.float64)
    everything = features.sum(axis=0, dtype=np.float64)
    outside = everything - inside
    size = chosen.sum(axis=1, keepdims=True)
    expected = everything[:10] * size / len(features)
    mix = ((inside[:, :10] - expected) ** 2 / np.maximum(expected, 1e-9)).sum(axis=1)
    shares = [part[:, 11] / np.maximum(part[:, 12], 1) for part in (inside, outside)]
    return np.column_stack([mix, np.abs(inside[:, 10]), np.abs(shares[0] - shares[1])])


def _p_values(statistics: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """For each of m values the share of them that is as large or larger."""
    rounded = np.round(statistics, 9)
    return 1 - np.searchsorted(np.sort(rounded), rounded) / len(rounded)
