"""Drift between windows of predictions."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from app.domain import drift
from app.domain.drift import (
    ALARM_P_VALUE,
    FIRST_PERMUTATIONS,
    PERMUTATIONS,
    Drift,
    PredictionWindow,
    compare,
)

UNKNOWN = np.nan


def window(
    rng: np.random.Generator,
    size: int,
    *,
    digit_probabilities: tuple[float, ...] = (0.1,) * 10,
    uncertainty: float = 0.1,
    disagreement_rate: float = 0.02,
) -> PredictionWindow:
    """Make random predictions with this digit distribution, uncertainty and disagreement rate."""
    return PredictionWindow(
        rng.choice(10, size, p=digit_probabilities),
        (1 - uncertainty * rng.random(size) ** 4).astype(np.float32),
        (rng.random(size) < disagreement_rate).astype(np.float32),
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_windows_of_the_same_distribution_raise_no_alarm(
    rng: np.random.Generator,
) -> None:
    p_values = [compare(window(rng, 600), window(rng, 150), rng).p_value for _ in range(60)]
    assert min(p_values) > ALARM_P_VALUE
    assert 0.3 < np.mean(p_values) < 0.7


@pytest.mark.parametrize(
    ("changed", "feature"),
    [
        ({"digit_probabilities": (0.28,) + (0.08,) * 9}, "digits"),
        ({"uncertainty": 0.6}, "confidence"),
        ({"disagreement_rate": 0.2}, "disagreement"),
    ],
)
def test_a_change_is_detected_and_named(
    rng: np.random.Generator, changed: dict[str, object], feature: str
) -> None:
    found = compare(window(rng, 600), window(rng, 150, **changed), rng)
    assert found.is_alarm
    assert found.feature == feature


def test_alike_windows_cost_few_permutations_and_a_drift_all(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    draw = drift._permutations

    def counted(count: int, *rest: Any) -> Iterator[Any]:
        counts.append(count)
        return draw(count, *rest)

    monkeypatch.setattr(drift, "_permutations", counted)
    same = window(rng, 600)
    compare(same, same, rng)
    compare(same, window(rng, 150, uncertainty=0.6), rng)
    assert counts == [FIRST_PERMUTATIONS, FIRST_PERMUTATIONS, PERMUTATIONS]


def test_false_alarms_are_as_rare_as_their_p_values(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "PERMUTATIONS", 999)
    found = [compare(window(rng, 100), window(rng, 40), rng) for _ in range(400)]
    for level in (0.02, 0.05):
        count = sum(each.p_value <= level for each in found)
        assert count <= 400 * level + 4 * (400 * level) ** 0.5


def test_unknown_disagreements_are_ignored(rng: np.random.Generator) -> None:
    before, after = window(rng, 600), window(rng, 150)
    unknown = PredictionWindow(
        after.digits, after.confidences, np.full(150, UNKNOWN, dtype=np.float32)
    )
    found = compare(before, unknown, rng)
    assert 0 < found.p_value <= 1
    assert not found.is_alarm


def test_identical_predictions_are_no_drift(rng: np.random.Generator) -> None:
    same = PredictionWindow(
        np.zeros(50, np.int64), np.ones(50, np.float32), np.zeros(50, np.float32)
    )
    assert compare(same, same, rng).p_value == 1


def test_the_smallest_possible_p_value_raises_an_alarm() -> None:
    assert Drift(1 / (PERMUTATIONS + 1), "digits").is_alarm
