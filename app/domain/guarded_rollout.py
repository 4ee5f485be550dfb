"""Guarded rollout: a sequential test of a newly deployed model against its predecessor.

Reviewers see the disagreements of the two models in two strata: images on which the versions of the
A/B experiment disagree as well come first. The predecessor is right more often in the first
stratum, the successor in the second, so the labels as a whole are not a random sample; within each
stratum they are. Each stratum is therefore evaluated separately and weighted by its size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.intervals import Interval
from app.domain.verdicts import (
    ALPHA,
    Evidence,
    Traffic,
    accuracy_difference,
    accuracy_difference_on_disagreements,
    is_negligible,
)


class RolloutResult(StrEnum):
    """How a newly deployed model compares with its predecessor."""

    WORSE = "worse"
    BETTER = "better"
    EQUIVALENT = "equivalent"


@dataclass(frozen=True)
class RolloutStratum:
    """Disagreements of one kind with their labels: v1 is the predecessor, v2 the successor."""

    disagreements: int
    evidence: Evidence


def evaluate(requests: int, strata: Sequence[RolloutStratum]) -> RolloutResult | None:
    """Return whether the new model is worse, better or equivalent; None while undecided.

    Worse and better refer to the requests so far, equivalent to future requests.
    """
    difference = observed_gain(requests, strata)
    if difference.high < 0:
        return RolloutResult.WORSE
    if difference.low > 0:
        return RolloutResult.BETTER
    return RolloutResult.EQUIVALENT if is_negligible(expected_gain(requests, strata)) else None


def observed_gain(requests: int, strata: Sequence[RolloutStratum]) -> Interval:
    """Return a confidence sequence of the accuracy gained on the requests so far.

    The number of disagreements is known; what the labels say of each stratum holds at its share of
    ALPHA (Bonferroni).
    """
    nonempty = [stratum for stratum in strata if stratum.disagreements]
    gains = [
        accuracy_difference_on_disagreements(stratum.evidence, ALPHA / len(nonempty))
        for stratum in nonempty
    ]
    weights = [stratum.disagreements / requests for stratum in nonempty]
    return Interval(
        sum(weight * gain.low for weight, gain in zip(weights, gains, strict=True)),
        sum(weight * gain.high for weight, gain in zip(weights, gains, strict=True)),
    )


def expected_gain(requests: int, strata: Sequence[RolloutStratum]) -> Interval:
    """Return a confidence sequence of the accuracy gained on future requests."""
    gains = [
        accuracy_difference(
            Traffic(requests, stratum.disagreements), stratum.evidence, ALPHA / len(strata)
        )
        for stratum in strata
    ]
    return Interval(sum(gain.low for gain in gains), sum(gain.high for gain in gains))
