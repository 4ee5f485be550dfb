"""The sequential test of a guarded rollout, in whatever order its strata are labeled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.guarded_rollout import (
    RolloutResult,
    RolloutStratum,
    evaluate,
    expected_gain,
    observed_gain,
)
from app.domain.verdicts import Evidence

NOTHING = Evidence(0, 0, 0)
evidence = st.builds(Evidence, *[st.integers(0, 40)] * 3)


def stratum(labeled: Evidence, unlabeled: int = 0) -> RolloutStratum:
    return RolloutStratum(labeled.labeled + unlabeled, labeled)


def test_without_labels_nothing_is_decided() -> None:
    assert evaluate(10, [RolloutStratum(0, NOTHING), RolloutStratum(0, NOTHING)]) is None
    assert observed_gain(10, [RolloutStratum(0, NOTHING)]).width == 0
    assert evaluate(200, [RolloutStratum(5, NOTHING), RolloutStratum(3, NOTHING)]) is None


@pytest.mark.parametrize(
    ("found", "result"),
    [
        (Evidence(15, 0, 0), RolloutResult.WORSE),
        (Evidence(0, 15, 0), RolloutResult.BETTER),
        (Evidence(15, 15, 0), None),
    ],
)
def test_unanimous_labels_decide(found: Evidence, result: RolloutResult | None) -> None:
    assert evaluate(500, [stratum(found), RolloutStratum(0, NOTHING)]) is result


def test_models_that_hardly_differ_are_equivalent() -> None:
    assert (
        evaluate(12_000, [RolloutStratum(0, NOTHING), RolloutStratum(1, NOTHING)])
        is RolloutResult.EQUIVALENT
    )
    assert evaluate(300, [RolloutStratum(0, NOTHING), RolloutStratum(0, NOTHING)]) is None


def test_one_stratum_does_not_decide_while_the_other_could_outweigh_it() -> None:
    version_disagreements = stratum(Evidence(40, 0, 0))
    assert evaluate(5_000, [version_disagreements, RolloutStratum(80, NOTHING)]) is None
    assert (
        evaluate(5_000, [version_disagreements, RolloutStratum(2, NOTHING)]) is RolloutResult.WORSE
    )


@given(evidence, evidence)
def test_exchanging_the_models_mirrors_the_intervals(first: Evidence, second: Evidence) -> None:
    def mirrored(of: Evidence) -> Evidence:
        return Evidence(of.only_v2_correct, of.only_v1_correct, of.neither_correct)

    strata = [stratum(first, 3), stratum(second)]
    other = [stratum(mirrored(first), 3), stratum(mirrored(second))]
    for gain in (observed_gain, expected_gain):
        one, two = gain(1_000, strata), gain(1_000, other)
        assert one.low == pytest.approx(-two.high)
        assert one.high == pytest.approx(-two.low)


def test_an_equivalent_model_is_rarely_rolled_back_although_one_stratum_is_labeled_first() -> None:
    rng, worse = np.random.default_rng(1), 0
    for _ in range(40):
        requests, rolled_back = 0, False
        counts = {
            True: [0, 0],
            False: [0, 0],
        }  # by versions_disagree: [predecessor correct, successor correct]
        labeled = {True: [0, 0], False: [0, 0]}
        for _ in range(30):
            requests += 100
            v1, before, after = (rng.random(100) < accuracy for accuracy in (0.95, 0.97, 0.97))
            for versions_disagree in (True, False):
                differ = (before != after) & ((v1 != after) == versions_disagree)
                counts[versions_disagree][0] += int((differ & before).sum())
                counts[versions_disagree][1] += int((differ & after).sum())
            labeled[True] = counts[True]
            strata = [
                RolloutStratum(sum(counts[side]), Evidence(*labeled[side], 0))
                for side in (True, False)
            ]
            rolled_back = rolled_back or evaluate(requests, strata) is RolloutResult.WORSE
        worse += rolled_back
    assert worse <= 40 * 0.05 + 3 * (40 * 0.05 * 0.95) ** 0.5
