"""Promotion gates."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from app.domain.promotion_gates import CandidateMetrics, PairedCounts, evaluate, rejection_reason

EVEN = PairedCounts(6_000, 5_970, 10, 10)
BETTER = PairedCounts(100, 60, 20, 2)
GOOD = CandidateMetrics(
    validation=EVEN,
    validation_vs_bundled=EVEN,
    by_digit={str(digit): PairedCounts(600, 597, 1, 1) for digit in range(10)},
    by_image_kind={"photograph": PairedCounts(600, 594, 3, 3)},
    holdout=BETTER,
    train=BETTER,
)

counts = st.integers(0, 200)


def paired(of: int, gained: int, lost: int) -> PairedCounts:
    return PairedCounts(of, of - gained - lost, gained, lost)


def test_a_good_candidate_passes_every_gate_in_order() -> None:
    gates = evaluate(GOOD)
    assert [gate.name for gate in gates] == [
        "validation",
        "validation vs bundled",
        "non-inferiority",
        "per-class accuracy",
        "robustness",
        "improvement",
    ]
    assert rejection_reason(gates) is None


@pytest.mark.parametrize(
    ("worse", "failed"),
    [
        ({"validation": paired(6_000, 3, 10)}, "validation: -0.12%"),
        ({"validation_vs_bundled": paired(6_000, 0, 13)}, "validation vs bundled: -0.22%"),
        (
            {"validation": paired(6_000, 200, 200)},
            "non-inferiority: 95 % lower bound of the difference -0.55%",
        ),
        (
            {"by_digit": GOOD.by_digit | {"7": paired(600, 0, 7)}},
            "per-class accuracy: 7 is the worst",
        ),
        (
            {"by_image_kind": GOOD.by_image_kind | {"drawing": paired(600, 1, 8)}},
            "robustness: drawing is the worst",
        ),
        ({"holdout": paired(100, 3, 4)}, "improvement: not shown to be better: -1.0%"),
        ({"holdout": EVEN, "train": EVEN}, "improvement: not shown to be better: +0.0%"),
    ],
)
def test_a_candidate_that_fails_a_gate_is_rejected_with_its_metrics(
    worse: dict[str, object], failed: str
) -> None:
    assert (rejection_reason(evaluate(replace(GOOD, **worse))) or "passed").startswith(failed)


def test_losses_within_the_limits_pass() -> None:
    metrics = replace(
        GOOD,
        validation=paired(6_000, 4, 10),
        validation_vs_bundled=paired(6_000, 0, 12),
        by_digit={"7": paired(600, 0, 6)},
    )
    assert rejection_reason(evaluate(metrics)) is None


def test_a_better_training_accuracy_passes_if_the_holdout_is_not_worse() -> None:
    better = evaluate(replace(GOOD, holdout=paired(20, 1, 1)))[-1]
    assert better.passed
    assert better.summary.startswith(
        "better on the training labels, not worse on the holdout: +0.0% on the holdout"
    )


def test_without_images_there_is_no_evidence() -> None:
    nothing = PairedCounts(0, 0, 0, 0)
    assert (nothing.difference, nothing.lower_bound, nothing.p_value) == (0, -1, 1)


@given(counts, counts)
def test_the_p_value_is_that_of_the_exact_binomial_test(gained: int, lost: int) -> None:
    discordant = gained + lost
    if discordant:
        expected = binomtest(gained, discordant, 0.5, alternative="greater").pvalue
        assert paired(1_000, gained, lost).p_value == pytest.approx(expected)


@given(counts, counts)
def test_the_lower_bound_is_below_the_difference_and_grows_with_the_gain(
    gained: int, lost: int
) -> None:
    found = paired(1_000, gained, lost)
    assert found.lower_bound <= found.difference + 1e-12
    assert found.lower_bound <= paired(1_000, gained + 1, lost).lower_bound + 1e-12
