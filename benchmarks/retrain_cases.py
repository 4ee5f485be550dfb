"""Test cases of retrains: a new style, a single digit, poisoned labels, ten in a row.

The style is digits written as outlines, as on shop signs; no model was trained on it. Each case
runs in its own scenario and returns the results of its retrains.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from benchmarks.retrain_scenarios import (
    RetrainResult,
    Scenario,
    new_scenario,
    outlines,
    training_digits,
)

SEED = 20_260_901
LABELS, ONE_SIDED_LABELS, ONE_SIDED_DIGIT = 300, 500, 4
REPEATED_RETRAINS, LABELS_PER_ROUND = 10, 40
FLIPPED_SHARE, COLLUDERS = 0.2, 10
MISLABELED_DIGIT, MISLABELED_AS = 7, 1

_Indexes = npt.NDArray[np.int64]


def new_style() -> RetrainResult:
    """Retrain on a style that v2 reads badly, labeled for images from six users."""
    with new_scenario() as scenario:
        _label_correctly(scenario, _choose(np.random.default_rng(SEED), LABELS), senders=6)
        return scenario.retrain()


def one_sided() -> RetrainResult:
    """Retrain on labels of a single digit, in that style."""
    with new_scenario() as scenario:
        chosen = _choose(np.random.default_rng(SEED), ONE_SIDED_LABELS, ONE_SIDED_DIGIT)
        _label_correctly(scenario, chosen, senders=6)
        return scenario.retrain()


def repeated() -> list[RetrainResult]:
    """Retrain ten times, each after a few more correct labels of the style."""
    rng = np.random.default_rng(SEED)
    with new_scenario() as scenario:
        results = []
        for _ in range(REPEATED_RETRAINS):
            _label_correctly(scenario, _choose(rng, LABELS_PER_ROUND), senders=2)
            results.append(scenario.retrain())
        return results


def poisoned(turn: int) -> RetrainResult:
    """Retrain on wrong labels that a careless reviewer accepts, cycling through the kinds."""
    with new_scenario() as scenario:
        list(POISONS.values())[turn % len(POISONS)](scenario, np.random.default_rng([SEED, turn]))
        return scenario.retrain()


def _flip_labels(scenario: Scenario, rng: Generator) -> None:
    """Replace a fifth of the style's labels by other digits."""
    chosen = _choose(rng, LABELS)
    digits = training_digits().labels[chosen]
    is_flipped = rng.random(LABELS) < FLIPPED_SHARE
    digits = np.where(is_flipped, (digits + rng.integers(1, 10, LABELS)) % 10, digits)
    scenario.label(outlines(chosen), digits.tolist(), senders=6)


def _mislabel_one_digit(scenario: Scenario, rng: Generator) -> None:
    """Label all of one user's sevens as ones, among correct labels of the style."""
    _label_correctly(scenario, _choose(rng, 2 * LABELS // 3), senders=6)
    sevens = _choose(rng, LABELS // 3, MISLABELED_DIGIT)
    scenario.label(list(training_digits().digits[sevens]), [MISLABELED_AS] * len(sevens), senders=1)


def _collude(scenario: Scenario, rng: Generator) -> None:
    """Let ten users label every digit as the next one, 30 % of all labels; the rest is correct."""
    _label_correctly(scenario, _choose(rng, 7 * LABELS // 10), senders=10)
    chosen = _choose(rng, 3 * LABELS // 10)
    wrong = (training_digits().labels[chosen] + 1) % 10
    scenario.label(list(training_digits().digits[chosen]), wrong.tolist(), senders=COLLUDERS)


POISONS: dict[str, Callable[[Scenario, Generator], None]] = {
    "a fifth of the labels flipped": _flip_labels,
    "one user's sevens labeled as ones": _mislabel_one_digit,
    "ten colluding users at 30 % of the labels": _collude,
}


def _label_correctly(scenario: Scenario, chosen: _Indexes, senders: int) -> None:
    scenario.label(outlines(chosen), training_digits().labels[chosen].tolist(), senders)


def _choose(rng: Generator, count: int, digit: int | None = None) -> _Indexes:
    """Choose images of the training set, optionally of one digit."""
    labels = training_digits().labels
    among = np.arange(len(labels)) if digit is None else np.flatnonzero(labels == digit)
    return rng.choice(among, count, replace=False)
