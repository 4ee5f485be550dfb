"""Verdicts: precedence, symmetry and monotonicity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.assignment import Version
from app.domain.intervals import UNKNOWN_PROPORTION, Interval
from app.domain.verdicts import (
    Estimate,
    Evidence,
    Outcome,
    Proportion,
    Stratum,
    Traffic,
    Validity,
    accuracy_difference,
    decide,
    find_winner,
    labels_needed,
    stratified_accuracy,
)

COUNT = st.integers(0, 300)
EVIDENCE = st.builds(Evidence, COUNT, COUNT, COUNT)
BUSY = Traffic(total=20_000, disagreements=1_000)
VALID = Validity()


def mirrored(evidence: Evidence) -> Evidence:
    return Evidence(evidence.only_v2_correct, evidence.only_v1_correct, evidence.neither_correct)


def test_without_data_the_verdict_is_collecting() -> None:
    found = decide(Traffic(0, 0), Evidence(), VALID, locked_winner=None)
    assert found.outcome is Outcome.COLLECTING
    assert found.e_value == 1
    assert found.win_rate == UNKNOWN_PROPORTION
    assert found.difference == Interval(-1, 1)
    assert labels_needed(Traffic(0, 0), Evidence()) is None


def test_eight_wins_in_a_row_name_a_winner_and_seven_do_not() -> None:
    assert find_winner(Evidence(only_v2_correct=7)) is None
    assert find_winner(Evidence(only_v2_correct=8)) is Version.V2
    assert find_winner(Evidence(only_v1_correct=8)) is Version.V1
    assert decide(BUSY, Evidence(only_v2_correct=8), VALID, None).e_value == pytest.approx(256 / 9)


@given(EVIDENCE)
def test_exchanging_the_versions_exchanges_the_verdict(evidence: Evidence) -> None:
    found = decide(BUSY, evidence, VALID, None)
    other = decide(BUSY, mirrored(evidence), VALID, None)
    names = {Outcome.V1: Outcome.V2, Outcome.V2: Outcome.V1}
    assert other.outcome is names.get(found.outcome, found.outcome)
    assert other.difference.low == pytest.approx(-found.difference.high, abs=1e-9)
    assert other.e_value == pytest.approx(found.e_value)


@given(EVIDENCE)
def test_one_more_win_of_v2_is_never_evidence_for_v1(evidence: Evidence) -> None:
    more = Evidence(
        evidence.only_v1_correct, evidence.only_v2_correct + 1, evidence.neither_correct
    )
    if find_winner(evidence) is Version.V2:
        assert find_winner(more) is Version.V2
    if find_winner(more) is Version.V1:
        assert find_winner(evidence) is Version.V1


@given(EVIDENCE)
def test_there_is_a_winner_exactly_if_the_interval_excludes_one_half(evidence: Evidence) -> None:
    found = decide(BUSY, evidence, VALID, None)
    is_open = found.win_rate.low < 0.5 < found.win_rate.high
    assert is_open == (found.outcome in {Outcome.EQUIVALENT, Outcome.COLLECTING})


@given(EVIDENCE, st.sampled_from(list(Version)))
def test_a_locked_winner_stays_the_winner(evidence: Evidence, winner: Version) -> None:
    assert decide(BUSY, evidence, VALID, winner).outcome is Outcome(winner)


@pytest.mark.parametrize(
    ("validity", "reason"),
    [
        (Validity(mismatch_log_e_value=6.91), "sample ratio mismatch"),
        (Validity(is_voided=True), "sample ratio mismatch"),
        (Validity(crossovers=Proportion(51, 1000)), "crossovers"),
        (Validity(skips=Proportion(26, 100)), "skipped labels"),
        (Validity(erasures=Proportion(26, 100)), "erased images"),
    ],
)
def test_an_experiment_that_fails_a_check_is_invalid_even_with_a_winner(
    validity: Validity, reason: str
) -> None:
    found = decide(BUSY, Evidence(only_v2_correct=50), validity, Version.V2)
    assert (found.outcome, found.reason) == (Outcome.INVALID, reason)


def test_at_the_limits_an_experiment_is_valid() -> None:
    at_the_limits = Validity(
        False, 6.9, Proportion(50, 1000), Proportion(25, 100), Proportion(25, 100)
    )
    assert at_the_limits.violation is None


def test_a_few_violations_do_not_invalidate_whatever_their_rate() -> None:
    assert Validity(skips=Proportion(3, 3)).violation is None
    assert Validity(skips=Proportion(4, 4)).violation == "skipped labels"


def test_versions_that_never_disagree_become_equivalent() -> None:
    assert decide(Traffic(1_000, 0), Evidence(), VALID, None).outcome is Outcome.COLLECTING
    assert decide(Traffic(10_000, 0), Evidence(), VALID, None).outcome is Outcome.EQUIVALENT


def test_versions_with_equal_accuracy_become_equivalent_with_labels() -> None:
    traffic = Traffic(100_000, 1_500)
    assert decide(traffic, Evidence(100, 100, 20), VALID, None).outcome is Outcome.COLLECTING
    assert decide(traffic, Evidence(500, 500, 100), VALID, None).outcome is Outcome.EQUIVALENT


@given(EVIDENCE)
def test_the_difference_is_bounded_by_the_disagreement_rate(evidence: Evidence) -> None:
    found = accuracy_difference(BUSY, evidence)
    assert -0.1 < found.low <= found.high < 0.1


def test_the_labels_needed_decrease_as_labels_come_in() -> None:
    traffic = Traffic(10_000, 140)
    needed = [labels_needed(traffic, Evidence(3 * n, 7 * n, n)) for n in (1, 2, 3, 4)]
    assert all(count is not None for count in needed)
    assert needed == sorted(needed, key=int, reverse=True)  # type: ignore[call-overload]


def test_an_accuracy_is_the_weighted_mean_of_both_strata() -> None:
    found = stratified_accuracy(Stratum(100, 50, 25), Stratum(900, 90, 81))
    assert found.value == pytest.approx(0.1 * 0.5 + 0.9 * 0.9)
    assert found.interval.low < found.value < found.interval.high


def test_an_accuracy_without_labels_has_an_interval_and_no_value() -> None:
    assert stratified_accuracy(Stratum(0, 0, 0), Stratum(0, 0, 0)) == Estimate(
        None, UNKNOWN_PROPORTION
    )
    found = stratified_accuracy(Stratum(100, 100, 60), Stratum(900, 0, 0))
    assert found.value is None
    assert found.interval.width > 0.9


@given(st.integers(0, 50), st.integers(0, 400))
def test_more_correct_labels_increase_the_accuracy(right: int, agreed: int) -> None:
    def value(right: int, agreed: int) -> float:
        found = stratified_accuracy(Stratum(1_000, 51, right), Stratum(9_000, 401, agreed))
        assert found.value is not None
        return found.value

    assert value(right + 1, agreed) > value(right, agreed)
    assert value(right, agreed + 1) > value(right, agreed)
