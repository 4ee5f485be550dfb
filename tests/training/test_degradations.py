"""Degradations and ways of writing that augmented digits have."""

import numpy as np
import pytest

from app.domain.predictions import DigitImage
from app.training.datasets import load_base_sets
from app.training.degradations import DEGRADATIONS, degrade
from app.training.styles import vary_style


@pytest.fixture(scope="module")
def digits() -> dict[int, list[DigitImage]]:
    """Return twenty training digits of each label."""
    training = load_base_sets().training
    return {label: list(training.digits[training.labels == label][:20]) for label in range(10)}


@pytest.mark.parametrize("change", DEGRADATIONS, ids=lambda change: change.__name__.strip("_"))
@pytest.mark.parametrize("side", [28, 70])
def test_each_degradation_changes_a_page_of_any_size_and_is_reproducible(
    digits: dict[int, list[DigitImage]], change: object, side: int
) -> None:
    assert callable(change)
    ink = np.pad(digits[4][0], (side - 28) // 2).astype(np.float32) / np.float32(255)
    changes = []
    for seed in range(5):
        found = change(ink.copy(), np.random.default_rng(seed))
        assert found.shape == (side, side)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
        changes.append(np.abs(np.clip(found, 0, 1) - ink).max())
        again = change(ink.copy(), np.random.default_rng(seed))
        assert np.array_equal(found, again)
    assert max(changes) > 0.1


def test_degraded_pages_stay_in_range(digits: dict[int, list[DigitImage]]) -> None:
    rng = np.random.default_rng(1)
    for digit in digits[8]:
        found = degrade(digit.astype(np.float32) / np.float32(255), rng)
        assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("label", range(10))
def test_only_a_1_and_a_7_get_another_stroke_and_only_sometimes(
    digits: dict[int, list[DigitImage]], label: int
) -> None:
    rng = np.random.default_rng(1)
    pairs = [(digit, vary_style(digit, label, rng)) for digit in digits[label] * 3]
    for digit, found in pairs:
        assert found.dtype == np.uint8
        assert np.all(found >= digit)  # nothing is erased
    changed = np.mean([np.any(found != digit) for digit, found in pairs])
    assert {1: 0.3 < changed < 0.7, 7: 0.02 < changed < 0.4}.get(label, changed == 0)


def test_upstroke_reaches_to_the_left_from_the_top_of_a_1(
    digits: dict[int, list[DigitImage]],
) -> None:
    rng = np.random.default_rng(1)
    for digit in digits[1]:
        added = vary_style(digit, 1, rng).astype(int) - digit
        if not added.any():
            continue
        rows, columns = np.nonzero(digit > 100)
        upper = added[: rows.min() + np.ptp(rows) // 2]
        assert upper.any()
        assert np.average(np.arange(28), weights=upper.sum(axis=0)) < columns.mean() + 4
