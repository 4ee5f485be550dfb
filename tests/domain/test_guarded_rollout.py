"""The guardrail: right whatever order reviewers see its parts in."""

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


def part(given: Evidence, more: int = 0) -> RolloutStratum:
    return RolloutStratum(given.labeled + more, given)


def test_nothing_seen_decides_nothing() -> None:
    assert evaluate(10, [RolloutStratum(0, NOTHING), RolloutStratum(0, NOTHING)]) is None
    assert observed_gain(10, [RolloutStratum(0, NOTHING)]).width == 0
    assert evaluate(200, [RolloutStratum(5, NOTHING), RolloutStratum(3, NOTHING)]) is None


@pytest.mark.parametrize(
    ("found", "standing"),
    [
        (Evidence(15, 0, 0), RolloutResult.WORSE),
        (Evidence(0, 15, 0), RolloutResult.BETTER),
        (Evidence(15, 15, 0), None),
    ],
)
def test_unanimous_labels_decide(found: Evidence, standing: RolloutResult | None) -> None:
    assert evaluate(500, [part(found), RolloutStratum(0, NOTHING)]) is standing


def test_models_that_hardly_differ_are_equivalent() -> None:
    assert (
        evaluate(12_000, [RolloutStratum(0, NOTHING), RolloutStratum(1, NOTHING)])
        is RolloutResult.EQUIVALENT
    )
    assert evaluate(300, [RolloutStratum(0, NOTHING), RolloutStratum(0, NOTHING)]) is None


def test_one_part_alone_does_not_decide_while_the_other_could_outweigh_it() -> None:
    disputed = part(Evidence(40, 0, 0))
    assert evaluate(5_000, [disputed, RolloutStratum(80, NOTHING)]) is None
    assert evaluate(5_000, [disputed, RolloutStratum(2, NOTHING)]) is RolloutResult.WORSE


@given(evidence, evidence)
def test_exchanging_the_models_mirrors_everything(first: Evidence, second: Evidence) -> None:
    def mirrored(of: Evidence) -> Evidence:
        return Evidence(of.only_v2_correct, of.only_v1_correct, of.neither_correct)

    parts = [part(first, 3), part(second)]
    other = [part(mirrored(first), 3), part(mirrored(second))]
    for gained in (observed_gain, expected_gain):
        one, two = gained(1_000, parts), gained(1_000, other)
        assert one.low == pytest.approx(-two.high)
        assert one.high == pytest.approx(-two.low)


def test_a_model_as_good_is_seldom_taken_back_though_disputed_pictures_are_labelled_first() -> None:
    rng, worse = np.random.default_rng(1), 0
    for _ in range(40):
        requests, taken_back = 0, False
        counts = {True: [0, 0], False: [0, 0]}  # disputed: predecessor right, successor right
        labeled = {True: [0, 0], False: [0, 0]}
        for _ in range(30):
            requests += 100
            v1, before, after = (rng.random(100) < share for share in (0.95, 0.97, 0.97))
            for is_disputed in (True, False):
                differ = (before != after) & ((v1 != after) == is_disputed)
                counts[is_disputed][0] += int((differ & before).sum())
                counts[is_disputed][1] += int((differ & after).sum())
            labeled[True] = counts[True]
            parts = [
                RolloutStratum(sum(counts[side]), Evidence(*labeled[side], 0))
                for side in (True, False)
            ]
            taken_back = taken_back or evaluate(requests, parts) is RolloutResult.WORSE
        worse += taken_back
    assert worse <= 40 * 0.05 + 3 * (40 * 0.05 * 0.95) ** 0.5
