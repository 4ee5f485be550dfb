"""Whether a newly deployed model is worse than its predecessor: the sequential guardrail.

Pictures on which the two differ come in parts that reviewers get to see at different times: those
on which the versions of the A/B experiment differ too come first. In the first part the predecessor
is right more often, in the second its successor, so labels are not a sample of all of them; within
each part they are. The parts are therefore judged apart and added up by how many there are.
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
    """How a new model stands beside its predecessor."""

    WORSE = "worse"
    BETTER = "better"
    EQUIVALENT = "equivalent"


@dataclass(frozen=True)
class RolloutStratum:
    """Disagreements of one kind, and labels on them: v1 is the predecessor, v2 its successor."""

    disagreements: int
    evidence: Evidence


def evaluate(requests: int, parts: Sequence[RolloutStratum]) -> RolloutResult | None:
    """Worse or better on the requests so far, or as good on those to come; None as yet."""
    difference = observed_gain(requests, parts)
    if difference.high < 0:
        return RolloutResult.WORSE
    if difference.low > 0:
        return RolloutResult.BETTER
    return RolloutResult.EQUIVALENT if is_negligible(expected_gain(requests, parts)) else None


def observed_gain(requests: int, parts: Sequence[RolloutStratum]) -> Interval:
    """Confidence sequence of the accuracy gained on the requests that there were.

    How many disagree is known; what labels say of each part holds at its share of ALPHA.
    """
    differing = [part for part in parts if part.disagreements]
    won = [
        accuracy_difference_on_disagreements(part.evidence, ALPHA / len(differing))
        for part in differing
    ]
    shares = [part.disagreements / requests for part in differing]
    return Interval(
        sum(share * of.low for share, of in zip(shares, won, strict=True)),
        sum(share * of.high for share, of in zip(shares, won, strict=True)),
    )


def expected_gain(requests: int, parts: Sequence[RolloutStratum]) -> Interval:
    """Confidence sequence of the accuracy gained on the requests that come."""
    gained = [
        accuracy_difference(
            Traffic(requests, part.disagreements), part.evidence, ALPHA / len(parts)
        )
        for part in parts
    ]
    return Interval(sum(of.low for of in gained), sum(of.high for of in gained))
