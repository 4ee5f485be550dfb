"""Drift between windows of answers."""

import numpy as np
import pytest

from app.domain.drift import ALARM_P_VALUE, PERMUTATIONS, Drift, PredictionWindow, compare

UNKNOWN = np.nan


def window(
    rng: np.random.Generator,
    size: int,
    *,
    mix: tuple[float, ...] = (0.1,) * 10,
    doubt: float = 0.1,
    disagreeing: float = 0.02,
) -> PredictionWindow:
    """Answers of a world with this mix of digits, this much doubt, this many disagreements."""
    return PredictionWindow(
        rng.choice(10, size, p=mix),
        (1 - doubt * rng.random(size) ** 4).astype(np.float32),
        (rng.random(size) < disagreeing).astype(np.float32),
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.slow
def test_windows_of_the_same_world_raise_no_more_alarms_than_they_may(
    rng: np.random.Generator,
) -> None:
    p_values = [compare(window(rng, 600), window(rng, 150), rng).p_value for _ in range(60)]
    assert min(p_values) > ALARM_P_VALUE
    assert 0.3 < np.mean(p_values) < 0.7


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"mix": (0.28,) + (0.08,) * 9}, "digits"),
        ({"doubt": 0.6}, "confidence"),
        ({"disagreeing": 0.2}, "disagreement"),
    ],
)
def test_what_changed_is_found_and_named(
    rng: np.random.Generator, changed: dict[str, object], part: str
) -> None:
    found = compare(window(rng, 600), window(rng, 150, **changed), rng)
    assert found.is_alarm
    assert found.feature == part


def test_disagreements_that_nobody_knows_of_change_nothing(rng: np.random.Generator) -> None:
    before, after = window(rng, 600), window(rng, 150)
    unknown = PredictionWindow(
        after.digits, after.confidences, np.full(150, UNKNOWN, dtype=np.float32)
    )
    found = compare(before, unknown, rng)
    assert 0 < found.p_value <= 1
    assert not found.is_alarm


def test_all_alike_is_no_drift(rng: np.random.Generator) -> None:
    same = PredictionWindow(
        np.zeros(50, np.int64), np.ones(50, np.float32), np.zeros(50, np.float32)
    )
    assert compare(same, same, rng).p_value == 1


def test_the_smallest_p_value_can_raise_an_alarm() -> None:
    assert Drift(1 / (PERMUTATIONS + 1), "digits").is_alarm
