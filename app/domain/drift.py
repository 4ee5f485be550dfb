"""Drift detection: compare recent predictions with those of a reference window."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ALARM_P_VALUE = 0.001  # per comparison of two windows
PERMUTATIONS = 9_999
FIRST_PERMUTATIONS = 499  # which most windows need no more of
CLEARLY_ALIKE_P_VALUE = 0.05
FEATURES = ("digits", "confidence", "disagreement")

_CHUNK_SIZE = 250  # permutations per step; bounds memory and the time of one step
_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PredictionWindow:
    """Consecutive predictions, arrays (n,): digit, confidence, and whether the versions disagree.

    `disagreements` is NaN where only one version made a prediction.
    """

    digits: npt.NDArray[np.int64]
    confidences: _Floats
    disagreements: _Floats


@dataclass(frozen=True)
class Drift:
    """The p-value of "both windows have the same distribution", and what differs most."""

    p_value: float
    feature: str

    @property
    def is_alarm(self) -> bool:
        """Return whether admins should be alerted."""
        return self.p_value <= ALARM_P_VALUE


def compare(
    reference: PredictionWindow, recent: PredictionWindow, rng: np.random.Generator
) -> Drift:
    """Test whether two windows have the same distribution, by a permutation test.

    Three statistics: the digit distribution (chi-square), confidence (rank sum), the disagreement
    rate. Each becomes a p-value among the permutations, and the smallest of the three is compared
    with the smallest of each permutation (minP, Westfall and Young, 1993): exact for any
    distribution. Windows that are clearly alike among the first permutations are not compared
    further: an alarm needs both tests, so false ones become no more frequent, and a drift that
    would raise one passes the first test all but surely.
    """
    features, size = _features(reference, recent), len(recent.digits)
    first = _permutation_test(features, size, FIRST_PERMUTATIONS, rng)
    if first.p_value > CLEARLY_ALIKE_P_VALUE:
        return first
    return _permutation_test(features, size, PERMUTATIONS, rng)


def _permutation_test(
    features: _Floats, size: int, permutations: int, rng: np.random.Generator
) -> Drift:
    """Compare the last `size` rows of features with the others."""
    total = len(features)
    observed = np.zeros((1, total), dtype=np.float32)
    observed[:, total - size :] = 1
    drawn = [_statistics(observed, features)]
    drawn += [
        _statistics(chosen, features) for chosen in _permutations(permutations, size, total, rng)
    ]
    statistics = np.concatenate(drawn)
    p_values = np.column_stack([_p_values(column) for column in statistics.T])
    smallest = p_values.min(axis=1)
    return Drift(
        p_value=float((smallest <= smallest[0]).mean()), feature=FEATURES[int(p_values[0].argmin())]
    )


def _features(reference: PredictionWindow, recent: PredictionWindow) -> _Floats:
    """Return one row per prediction (n, 13): one-hot digit, rank, disagreement, is it known."""
    digits, confidences, disagreements = (
        np.concatenate([getattr(reference, name), getattr(recent, name)])
        for name in ("digits", "confidences", "disagreements")
    )
    _, position, ties = np.unique(confidences, return_inverse=True, return_counts=True)
    ranks = ((ties.cumsum() - ties / 2) / len(confidences) - 0.5)[position]
    known = ~np.isnan(disagreements)
    columns = [np.eye(10)[digits], ranks, np.where(known, disagreements, 0), known]
    return np.column_stack(columns).astype(np.float32)


def _permutations(count: int, size: int, total: int, rng: np.random.Generator) -> Iterator[_Floats]:
    """Yield `count` random memberships in the recent window, (m, n) of 0 and 1."""
    for start in range(0, count, _CHUNK_SIZE):
        random = rng.random((min(_CHUNK_SIZE, count - start), total), dtype=np.float32)
        last = np.partition(random, size - 1, axis=1)[:, size - 1 : size]
        yield (random <= last).astype(np.float32)


def _statistics(chosen: _Floats, features: _Floats) -> npt.NDArray[np.float64]:
    """Return the three statistics (m, 3) of each choice (m, n); larger is more different."""
    inside = (chosen @ features).astype(np.float64)
    everything = features.sum(axis=0, dtype=np.float64)
    outside = everything - inside
    size = chosen.sum(axis=1, keepdims=True)
    expected = everything[:10] * size / len(features)
    mix = ((inside[:, :10] - expected) ** 2 / np.maximum(expected, 1e-9)).sum(axis=1)
    rates = [side[:, 11] / np.maximum(side[:, 12], 1) for side in (inside, outside)]
    return np.column_stack([mix, np.abs(inside[:, 10]), np.abs(rates[0] - rates[1])])


def _p_values(statistics: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return for each of m values the fraction of them that is as large or larger."""
    rounded = np.round(statistics, 9)
    return 1 - np.searchsorted(np.sort(rounded), rounded) / len(rounded)
