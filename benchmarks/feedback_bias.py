"""Models of biased user feedback, for simulating tests that would use it.

Each takes the winner of each discordant label, (runs, labels), and returns what users would report.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

Wins = npt.NDArray[np.bool_]
"""Whether v2 won each discordant label, (runs, labels)."""


def one_account(wins: Wins, _: Generator) -> Wins:
    return np.concatenate([np.ones((len(wins), 8), dtype=bool), wins[:, 8:]], axis=1)


def reporting_rates(
    v1_rate: float, v2_rate: float, weight: float = 0.5
) -> Callable[[Wins, Generator], Wins]:
    """Model users who see one version's answer and report a share of its errors; reports count."""

    def select(wins: Wins, rng: Generator) -> Wins:
        reported = _reported(wins, rng, v1_rate, v2_rate, weight)
        min_count = int(reported.sum(axis=1).min())
        first = np.argsort(~reported, axis=1, kind="stable")[:, :min_count]
        return np.take_along_axis(wins, first, axis=1)

    return select


def leaky_review_queue(v1_rate: float, v2_rate: float) -> Callable[[Wins, Generator], Wins]:
    """Model a queue that loses what users report; reviewers label the rest."""

    def remaining(wins: Wins, rng: Generator) -> Wins:
        kept = ~_reported(wins, rng, v1_rate, v2_rate, 0.5)
        min_count = int(kept.sum(axis=1).min())
        first = np.argsort(~kept, axis=1, kind="stable")[:, :min_count]
        return np.take_along_axis(wins, first, axis=1)

    return remaining


def _reported(
    wins: Wins, rng: Generator, v1_rate: float, v2_rate: float, weight: float
) -> npt.NDArray[np.bool_]:
    """Return which errors users report: the served answer was wrong, and they reported it."""
    v2_served = rng.random(wins.shape) < weight
    chance = np.where(v2_served, np.where(wins, 0, v2_rate), np.where(wins, v1_rate, 0))
    return rng.random(wins.shape) < chance


def users_with_preferences(wins: Wins, rng: Generator) -> Wins:
    """Model users who rate 20 times each, half of them always by personal preference."""
    users = wins.shape[1] // 20
    preferences = np.repeat(rng.random((len(wins), users)) < 0.5, 20, axis=1)
    is_biased = np.repeat(rng.random((len(wins), users)) < 0.5, 20, axis=1)
    return np.where(is_biased, preferences, wins[:, : users * 20])
