"""Sample ratio mismatch, compared with scipy's distributions."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from app.domain.sample_ratio_mismatch import (
    IMPOSSIBLE_LOG_E_VALUE,
    AssignmentCounts,
    log_e_value,
    p_value,
)

WEIGHTS = st.sampled_from([0.01, 0.05, 0.25, 0.5, 0.9])
COUNTS = st.builds(AssignmentCounts, WEIGHTS, st.integers(0, 20_000), st.integers(0, 20_000))


@given(COUNTS)
def test_the_e_value_is_a_beta_binomial_over_a_binomial(counts: AssignmentCounts) -> None:
    total = counts.v1 + counts.v2
    a, b = 100 * counts.weight, 100 * (1 - counts.weight)
    theirs = stats.betabinom.logpmf(counts.v2, total, a, b) - stats.binom.logpmf(
        counts.v2, total, counts.weight
    )
    if np.isfinite(theirs):
        assert log_e_value(counts) == pytest.approx(theirs, abs=1e-6, rel=1e-6)


@given(COUNTS)
def test_the_p_value_is_scipys_chi_square(counts: AssignmentCounts) -> None:
    total = counts.v1 + counts.v2
    expected = [total * (1 - counts.weight), total * counts.weight]
    if min(expected) < 8:
        assert p_value(counts) is None
    else:
        theirs = stats.chisquare([counts.v1, counts.v2], expected).pvalue
        assert p_value(counts) == pytest.approx(theirs, abs=1e-12)


@given(st.integers(1, 80), WEIGHTS)
def test_the_expected_e_value_is_one_if_assignments_follow_the_weight(
    n: int, weight: float
) -> None:
    probabilities = stats.binom.pmf(range(n + 1), n, weight)
    expected = sum(
        probability * exp(log_e_value(AssignmentCounts(weight, n - v2, v2)))
        for v2, probability in enumerate(probabilities)
    )
    assert expected == pytest.approx(1)


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_exchanging_the_versions_changes_nothing_at_weight_one_half(v1: int, v2: int) -> None:
    assert log_e_value(AssignmentCounts(0.5, v1, v2)) == pytest.approx(
        log_e_value(AssignmentCounts(0.5, v2, v1))
    )


@given(st.integers(0, 2_000))
def test_a_larger_imbalance_is_more_evidence(off: int) -> None:
    found = [
        log_e_value(AssignmentCounts(0.5, 5_000 + more, 5_000 - more)) for more in (off, off + 1)
    ]
    assert found[1] > found[0]


def test_no_assignments_are_no_evidence_and_an_impossible_one_is_maximal() -> None:
    assert log_e_value(AssignmentCounts(0.5, 0, 0)) == 0
    assert p_value(AssignmentCounts(0.5, 0, 0)) is None
    assert log_e_value(AssignmentCounts(0, 500, 0)) == pytest.approx(0)
    assert log_e_value(AssignmentCounts(0, 500, 1)) == IMPOSSIBLE_LOG_E_VALUE
    assert log_e_value(AssignmentCounts(1, 0, 7)) == pytest.approx(0)


def test_a_split_of_55_to_45_is_detected_within_3000_assignments() -> None:
    assert log_e_value(AssignmentCounts(0.5, 1_350, 1_650)) > log(1_000)
    assert log_e_value(AssignmentCounts(0.5, 1_480, 1_520)) < 0
