"""What retrains are put through: a style to learn, one digit alone, poison, ten in a row.

The style is digits written as outlines, as on shop signs; nothing was trained on it. Each is lived
through in a world of its own and gives what its retrains came to.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from benchmarks.retrain_scenarios import (
    RetrainResult,
    Scenario,
    outlines,
    scenario,
    training_digits,
)

SEED = 20_260_901
LABELS, ONE_SIDED_LABELS, ONE_SIDED_DIGIT = 300, 500, 4
REPEATED_RETRAINS, LABELS_PER_ROUND = 10, 40
FLIPPED_SHARE, COLLUDERS = 0.2, 10
MISLABELED_DIGIT, MISLABELED_AS = 7, 1

_Indexes = npt.NDArray[np.int64]


def new_style() -> RetrainResult:
    """A style that v2 reads badly, and labels of it from six people."""
    with scenario() as scenario_under_test:
        _label_correctly(scenario_under_test, _choose(np.random.default_rng(SEED), LABELS), senders=6)
        return scenario_under_test.retrain()


def one_sided() -> RetrainResult:
    """Labels of one digit alone, in that style."""
    with scenario() as scenario_under_test:
        chosen = _choose(np.random.default_rng(SEED), ONE_SIDED_LABELS, ONE_SIDED_DIGIT)
        _label_correctly(scenario_under_test, chosen, senders=6)
        return scenario_under_test.retrain()


def repeated() -> list[RetrainResult]:
    """Ten retrains, each after a few more right labels of the style."""
    rng = np.random.default_rng(SEED)
    with scenario() as scenario_under_test:
        results = []
        for _ in range(REPEATED_RETRAINS):
            _label_correctly(scenario_under_test, _choose(rng, LABELS_PER_ROUND), senders=2)
            results.append(scenario_under_test.retrain())
        return results


def poisoned(turn: int) -> RetrainResult:
    """Wrong labels that a careless reviewer lets through, one kind after the other."""
    with scenario() as scenario_under_test:
        list(POISONS.values())[turn % len(POISONS)](scenario_under_test, np.random.default_rng([SEED, turn]))
        return scenario_under_test.retrain()


def _flip_labels(scenario_under_test: Scenario, rng: Generator) -> None:
    """A fifth of the labels of the style are some other digit."""
    chosen = _choose(rng, LABELS)
    digits = training_digits().labels[chosen]
    is_flipped = rng.random(LABELS) < FLIPPED_SHARE
    digits = np.where(is_flipped, (digits + rng.integers(1, 10, LABELS)) % 10, digits)
    scenario_under_test.label(outlines(chosen), digits.tolist(), senders=6)


def _mislabel_one_digit(scenario_under_test: Scenario, rng: Generator) -> None:
    """One user's sevens are all called ones, among right labels of the style."""
    _label_correctly(scenario_under_test, _choose(rng, 2 * LABELS // 3), senders=6)
    sevens = _choose(rng, LABELS // 3, MISLABELED_DIGIT)
    scenario_under_test.label(list(training_digits().digits[sevens]), [MISLABELED_AS] * len(sevens), senders=1)


def _collude(scenario_under_test: Scenario, rng: Generator) -> None:
    """Ten users call every digit the next one, at 30 % of all labels; the rest are right."""
    _label_correctly(scenario_under_test, _choose(rng, 7 * LABELS // 10), senders=10)
    chosen = _choose(rng, 3 * LABELS // 10)
    wrong = (training_digits().labels[chosen] + 1) % 10
    scenario_under_test.label(list(training_digits().digits[chosen]), wrong.tolist(), senders=COLLUDERS)


POISONS: dict[str, Callable[[Scenario, Generator], None]] = {
    "a fifth of the labels flipped": _flip_labels,
    "one user's sevens labeled as ones": _mislabel_one_digit,
    "ten colluding users at 30 % of the labels": _collude,
}


def _label_correctly(scenario_under_test: Scenario, chosen: _Indexes, senders: int) -> None:
    scenario_under_test.label(outlines(chosen), training_digits().labels[chosen].tolist(), senders)


def _choose(rng: Generator, count: int, digit: int | None = None) -> _Indexes:
    """Images of the training set, of one digit where that is asked for."""
    labels = training_digits().labels
    among = np.arange(len(labels)) if digit is None else np.flatnonzero(labels == digit)
    return rng.choice(among, count, replace=False)
