"""Intervals, compared with scipy, statsmodels and ville."""

from math import exp, sqrt
from statistics import NormalDist

import numpy as np
import pytest
import ville
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint, proportion_effectsize
from ville import best_rho, normal_mixture

from app.domain.intervals import (
    UNKNOWN_PROPORTION,
    Interval,
    SampleMean,
    exact_binomial_interval,
    log_e_value,
    mean_difference_confidence_sequence,
    paired_lower_bound,
    proportion_confidence_sequence,
    unpaired_labels_needed,
)

COUNTS = st.tuples(st.integers(0, 3_000), st.integers(0, 3_000))
ALPHAS = st.sampled_from([0.01, 0.05, 0.2])


@given(COUNTS, ALPHAS)
def test_the_exact_interval_is_that_of_statsmodels(counts: tuple[int, int], alpha: float) -> None:
    successes, failures = counts
    if successes + failures == 0:
        return
    found = exact_binomial_interval(successes, successes + failures, alpha)
    low, high = proportion_confint(successes, successes + failures, alpha, method="beta")
    assert found.low == pytest.approx(0 if successes == 0 else low, abs=1e-9)
    assert found.high == pytest.approx(1 if failures == 0 else high, abs=1e-9)


@given(st.lists(st.booleans(), min_size=1, max_size=200), ALPHAS)
def test_the_proportion_confidence_sequence_is_that_of_ville(
    trials: list[bool], alpha: float
) -> None:
    theirs = ville.BernoulliCS(alpha, intersect=False).update(np.array(trials, dtype=float))
    found = proportion_confidence_sequence(sum(trials), len(trials), alpha)
    assert (found.low, found.high) == pytest.approx(theirs.interval(), abs=1e-9)


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.sampled_from([0.2, 0.5, 0.9]))
def test_the_e_value_is_that_of_ville(trials: list[bool], proportion: float) -> None:
    theirs = ville.BernoulliTest(proportion).update(np.array(trials, dtype=float))
    assert log_e_value(sum(trials), len(trials), proportion) == pytest.approx(
        theirs.log_e_values_[-1]
    )


@given(st.integers(1, 60), st.sampled_from([0.1, 0.5, 0.7]))
def test_the_expected_e_value_is_one_under_the_null(n: int, proportion: float) -> None:
    probabilities = stats.binom.pmf(range(n + 1), n, proportion)
    expected = sum(
        probability * exp(log_e_value(count, n, proportion))
        for count, probability in enumerate(probabilities)
    )
    assert expected == pytest.approx(1)


@given(COUNTS)
def test_the_e_value_and_the_sequence_agree_about_one_half(counts: tuple[int, int]) -> None:
    successes, failures = counts
    interval = proportion_confidence_sequence(successes, successes + failures, 0.05)
    is_inside = interval.low < 0.5 < interval.high
    assert is_inside == (exp(min(log_e_value(successes, successes + failures), 700)) < 20)


@given(COUNTS)
def test_exchanging_successes_and_failures_mirrors_the_intervals(counts: tuple[int, int]) -> None:
    one, other = counts
    assert log_e_value(one, one + other) == pytest.approx(log_e_value(other, one + other))
    for interval_of in (exact_binomial_interval, proportion_confidence_sequence):
        found = interval_of(one, one + other, 0.05)
        mirrored = interval_of(other, one + other, 0.05)
        assert found.low == pytest.approx(1 - mirrored.high, abs=1e-9)


@given(st.integers(1, 500), st.integers(0, 499), ALPHAS)
def test_one_more_success_moves_both_ends_up(trials: int, successes: int, alpha: float) -> None:
    if successes >= trials:
        return
    for interval_of in (exact_binomial_interval, proportion_confidence_sequence):
        before = interval_of(successes, trials, alpha)
        after = interval_of(successes + 1, trials, alpha)
        assert after.low > before.low or before.low == 0
        assert after.high > before.high or after.high == 1
        assert before.low <= successes / trials <= before.high


@given(st.floats(0, 1), ALPHAS)
def test_more_trials_narrow_every_interval(proportion: float, alpha: float) -> None:
    for interval_of in (exact_binomial_interval, proportion_confidence_sequence):
        widths = [interval_of(round(proportion * n), n, alpha).width for n in (10, 1_000, 100_000)]
        assert widths == sorted(widths, reverse=True)


def test_without_trials_the_interval_is_the_whole_range() -> None:
    assert (
        exact_binomial_interval(0, 0, 0.05)
        == proportion_confidence_sequence(0, 0, 0.05)
        == UNKNOWN_PROPORTION
    )
    assert log_e_value(0, 0) == 0
    assert mean_difference_confidence_sequence(
        SampleMean(0, 0, 0), SampleMean(9, 0.5, 0.2), 0.05
    ) == Interval(-1, 1)


@pytest.mark.parametrize("count", [200, 5_000, 100_000])
def test_the_mean_difference_sequence_is_robbins_mixture_tuned_for_5000(count: int) -> None:
    found = mean_difference_confidence_sequence(
        SampleMean(count, 0.5, 0.25), SampleMean(count, 0.5, 0.25), 0.05
    )
    total, spread = 2 * count, sqrt(2 * count * (0.5 / count))
    tuned = best_rho(5_000, 0.05)
    theirs = spread * normal_mixture(total, 0.05, tuned) / total
    assert found.high == pytest.approx(float(theirs), rel=0.01)
    assert found.low == -found.high


@pytest.mark.parametrize(("first", "second"), [(0.985, 0.99), (0.5, 0.6), (0.9, 0.8)])
def test_the_labels_of_an_unpaired_test_are_close_to_those_of_statsmodels(
    first: float, second: float
) -> None:
    effect = proportion_effectsize(first, second)
    theirs = 2 * NormalIndPower().solve_power(effect, alpha=0.05, power=0.8)
    assert unpaired_labels_needed(first, second, 0.05, 0.8) == pytest.approx(theirs, rel=0.03)


def test_the_worked_example_needs_15500_labels_unpaired() -> None:
    assert unpaired_labels_needed(0.985, 0.99, 0.05, 0.8) == pytest.approx(15_500, abs=50)


@pytest.mark.parametrize(("gained", "lost"), [(0.01, 0.01), (0.02, 0.005), (0.0, 0.03)])
def test_the_paired_bound_has_its_nominal_coverage(gained: float, lost: float) -> None:
    rng = np.random.default_rng(1)
    probabilities = (gained, lost, 1 - gained - lost)
    samples = rng.multinomial(1_000, probabilities, 4_000)
    bounds = [paired_lower_bound(int(won), int(missed), 1_000, 0.05) for won, missed, _ in samples]
    coverage = float(np.mean(np.array(bounds) <= gained - lost))
    assert 0.93 < coverage < 0.97


def test_the_paired_bound_without_discordance_is_that_of_the_score_test() -> None:
    squared = NormalDist().inv_cdf(0.95) ** 2
    assert paired_lower_bound(0, 0, 500, 0.05) == pytest.approx(-squared / (500 + squared))
