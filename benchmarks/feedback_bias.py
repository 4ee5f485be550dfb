"""How users speak up, in simulation: what a test that listened to them would be fed.

Each habit takes who won each informative label, (runs, labels), and gives what users would say.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

Wins = npt.NDArray[np.bool_]
"""Whether v2 won each informative label, (runs, labels)."""


def one_account(wins: Wins, _: Generator) -> Wins:
    return np.concatenate([np.ones((len(wins), 8), dtype=bool), wins[:, 8:]], axis=1)


def reporting_rates(
    v1_rate: float, v2_rate: float, weight: float = 0.5
) -> Callable[[Wins, Generator], Wins]:
    """Users see one version's answer and call out some of its errors; what they call out counts."""

    def select(wins: Wins, rng: Generator) -> Wins:
        reported = _reported(wins, rng, v1_rate, v2_rate, weight)
        min_count = int(reported.sum(axis=1).min())
        first = np.argsort(~reported, axis=1, kind="stable")[:, :min_count]
        return np.take_along_axis(wins, first, axis=1)

    return select


def leaky_review_queue(v1_rate: float, v2_rate: float) -> Callable[[Wins, Generator], Wins]:
    """What users reported out leaves the queue; reviewers see the rest."""

    def remaining(wins: Wins, rng: Generator) -> Wins:
        kept = ~_reported(wins, rng, v1_rate, v2_rate, 0.5)
        min_count = int(kept.sum(axis=1).min())
        first = np.argsort(~kept, axis=1, kind="stable")[:, :min_count]
        return np.take_along_axis(wins, first, axis=1)

    return remaining


def _reported(
    wins: Wins, rng: Generator, v1_rate: float, v2_rate: float, weight: float
) -> npt.NDArray[np.bool_]:
    """Which images users call an error on: what was served was wrong, and they cared to say."""
    v2_served = rng.random(wins.shape) < weight
    chance = np.where(v2_served, np.where(wins, 0, v2_rate), np.where(wins, v1_rate, 0))
    return rng.random(wins.shape) < chance


def users_with_preferences(wins: Wins, rng: Generator) -> Wins:
    """Half of the users say the same 20 times over, the others what is so."""
    users = wins.shape[1] // 20
    preferences = np.repeat(rng.random((len(wins), users)) < 0.5, 20, axis=1)
    is_biased = np.repeat(rng.random((len(wins), users)) < 0.5, 20, axis=1)
    return np.where(is_biased, preferences, wins[:, : users * 20])
