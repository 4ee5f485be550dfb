"""What retrains are put through: a style to learn, one digit alone, poison, ten in a row.

The style is digits written as outlines, as on shop signs; nothing was trained on it. Each is lived
through in a world of its own and gives what its retrains came to.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.retrain_scenarios import Lesson, World, base, outlines, world

SEED = 20_260_901
LABELS, ONE_SIDED_LABELS, ONE_SIDED_DIGIT = 300, 500, 4
RETRAINS_IN_A_ROW, LABELS_A_ROUND = 10, 40
FLIPPED, COLLUDERS = 0.2, 10
MISNAMED, MISNAMED_AS = 7, 1

Dice = np.random.Generator
_Indexes = npt.NDArray[np.int64]


def shifted() -> Lesson:
    """A style that v2 reads badly, and labels of it from six people."""
    with world() as made:
        _label_rightly(made, _chosen(np.random.default_rng(SEED), LABELS), senders=6)
        return made.retrain()


def one_sided() -> Lesson:
    """Labels of one digit alone, in that style."""
    with world() as made:
        chosen = _chosen(np.random.default_rng(SEED), ONE_SIDED_LABELS, ONE_SIDED_DIGIT)
        _label_rightly(made, chosen, senders=6)
        return made.retrain()


def in_a_row() -> list[Lesson]:
    """Ten retrains, each after a few more right labels of the style."""
    rng = np.random.default_rng(SEED)
    with world() as made:
        lessons = []
        for _ in range(RETRAINS_IN_A_ROW):
            _label_rightly(made, _chosen(rng, LABELS_A_ROUND), senders=2)
            lessons.append(made.retrain())
        return lessons


def poisoned(turn: int) -> Lesson:
    """Wrong labels that a careless reviewer lets through, one kind after the other."""
    with world() as made:
        list(POISONS.values())[turn % len(POISONS)](made, np.random.default_rng([SEED, turn]))
        return made.retrain()


def _flips(made: World, rng: Dice) -> None:
    """A fifth of the labels of the style are some other digit."""
    chosen = _chosen(rng, LABELS)
    digits = base().labels[chosen]
    is_flipped = rng.random(LABELS) < FLIPPED
    digits = np.where(is_flipped, (digits + rng.integers(1, 10, LABELS)) % 10, digits)
    made.label(outlines(chosen), digits.tolist(), senders=6)


def _misnamed(made: World, rng: Dice) -> None:
    """One user's sevens are all called ones, among right labels of the style."""
    _label_rightly(made, _chosen(rng, 2 * LABELS // 3), senders=6)
    sevens = _chosen(rng, LABELS // 3, MISNAMED)
    made.label(list(base().digits[sevens]), [MISNAMED_AS] * len(sevens), senders=1)


def _colluding(made: World, rng: Dice) -> None:
    """Ten users call every digit the next one, at 30 % of all labels; the rest are right."""
    _label_rightly(made, _chosen(rng, 7 * LABELS // 10), senders=10)
    chosen = _chosen(rng, 3 * LABELS // 10)
    wrong = (base().labels[chosen] + 1) % 10
    made.label(list(base().digits[chosen]), wrong.tolist(), senders=COLLUDERS)


POISONS: dict[str, Callable[[World, Dice], None]] = {
    "a fifth of the labels flipped": _flips,
    "one user's sevens called ones": _misnamed,
    "ten colluding users at 30 % of the labels": _colluding,
}


def _label_rightly(made: World, chosen: _Indexes, senders: int) -> None:
    made.label(outlines(chosen), base().labels[chosen].tolist(), senders)


def _chosen(rng: Dice, count: int, digit: int | None = None) -> _Indexes:
    """Pictures of the training set, of one digit where that is asked for."""
    labels = base().labels
    among = np.arange(len(labels)) if digit is None else np.flatnonzero(labels == digit)
    return rng.choice(among, count, replace=False)
