"""Which version is better, judged by labels on disagreements alone.

Where both versions name the same digit, the difference of their correctness is nil whatever the
true digit is; so only pictures on which they disagree and exactly one is right say anything. Pure
values in and out; what users volunteer never comes here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, exp, log

from app.domain.assignment import Version
from app.domain.intervals import (
    UNKNOWN_PROPORTION,
    Interval,
    exact_binomial_interval,
    log_e_value,
    proportion_confidence_sequence,
)

ALPHA = 0.05
EQUIVALENT_WITHIN = 0.003  # of accuracy, either way
MAX_SKIP_RATE = 0.25
MAX_ERASURE_RATE = 0.25
MAX_CROSSOVER_RATE = 0.05
MIN_VIOLATION_COUNT = 4  # fewer than this void nothing, whatever share they are
WARNING_CROSSOVER_RATE = 0.01
MISMATCH_E_VALUE = 1_000.0

_MAX_LABELS_NEEDED = 100_000  # labels; an estimate beyond this says nothing
_AGREEMENTS_ALPHA_FRACTION = 0.8  # of a stratified interval's alpha: nearly all traffic agrees


class Outcome(StrEnum):
    """What an experiment has come to."""

    INVALID = "invalid"
    V1 = "v1"
    V2 = "v2"
    EQUIVALENT = "equivalent"
    COLLECTING = "collecting"


@dataclass(frozen=True)
class Traffic:
    """A/B requests of an experiment, and on how many of them the versions disagreed."""

    total: int
    disagreements: int


@dataclass(frozen=True)
class Evidence:
    """Labelled disagreements, by which version was right."""

    only_v1_correct: int = 0
    only_v2_correct: int = 0
    neither_correct: int = 0

    @property
    def discordant(self) -> int:
        """Those on which exactly one was right."""
        return self.only_v1_correct + self.only_v2_correct

    @property
    def labeled(self) -> int:
        """All of them."""
        return self.discordant + self.neither_correct


@dataclass(frozen=True)
class Proportion:
    """So many of so many."""

    count: int = 0
    total: int = 0

    @property
    def value(self) -> float:
        """In 0..1; none of none is 0."""
        return self.count / max(self.total, 1)

    def exceeds(self, most: float) -> bool:
        """Whether it is over a bar, and not by a few alone."""
        return self.count >= MIN_VIOLATION_COUNT and self.value > most


@dataclass(frozen=True)
class Validity:
    """What can void an experiment.

    Draws not as set, once found, for good; users who crossed over; labels that are skips; pictures
    with a disagreement that were erased before anybody could label them.
    """

    is_voided: bool = False
    mismatch_log_e_value: float = 0.0
    crossovers: Proportion = Proportion()
    skips: Proportion = Proportion()
    erasures: Proportion = Proportion()

    @property
    def violation(self) -> str | None:
        """Why nothing may be concluded, or None."""
        if self.is_voided or is_mismatch(self.mismatch_log_e_value):
            return "sample ratio mismatch"
        if self.crossovers.exceeds(MAX_CROSSOVER_RATE):
            return "crossovers"
        if self.skips.exceeds(MAX_SKIP_RATE):
            return "skipped labels"
        if self.erasures.exceeds(MAX_ERASURE_RATE):
            return "erased images"
        return None


def is_mismatch(log_e_value: float) -> bool:
    """Whether the evidence that versions were not drawn as set voids an experiment."""
    return log_e_value >= log(MISMATCH_E_VALUE)


@dataclass(frozen=True)
class Verdict:
    """An outcome and what it rests on; `share` is P(v2 right | exactly one right)."""

    outcome: Outcome
    reason: str | None
    e_value: float
    win_rate: Interval
    difference: Interval


def decide(
    traffic: Traffic, evidence: Evidence, validity: Validity, locked_winner: Version | None
) -> Verdict:
    """Judge an experiment; a winner that was latched stays one, unless the experiment is void."""
    difference = accuracy_difference(traffic, evidence)
    outcome, reason = Outcome.COLLECTING, validity.violation
    winner = locked_winner or find_winner(evidence)
    if reason is not None:
        outcome = Outcome.INVALID
    elif winner is not None:
        outcome = Outcome(winner)
    elif is_negligible(difference):
        outcome = Outcome.EQUIVALENT
    return Verdict(
        outcome=outcome,
        reason=reason,
        e_value=exp(min(log_e_value(evidence.only_v2_correct, evidence.discordant), 700)),
        win_rate=proportion_confidence_sequence(
            evidence.only_v2_correct, evidence.discordant, ALPHA
        ),
        difference=difference,
    )


def find_winner(evidence: Evidence) -> Version | None:
    """The version that the e-value names, or None as long as it is below 1/ALPHA."""
    if log_e_value(evidence.only_v2_correct, evidence.discordant) < -log(ALPHA):
        return None
    return Version.V2 if evidence.only_v2_correct > evidence.only_v1_correct else Version.V1


def accuracy_difference(traffic: Traffic, evidence: Evidence, alpha: float = ALPHA) -> Interval:
    """Confidence sequence of accuracy(v2) - accuracy(v1) over the traffic that comes.

    The product of three shares, each with a sequence of its own at a third of alpha (Bonferroni):
    requests that disagree, disagreements with exactly one right, and 2 share - 1.
    """
    disagree = proportion_confidence_sequence(traffic.disagreements, traffic.total, alpha / 3)
    won = accuracy_difference_on_disagreements(evidence, alpha * 2 / 3)
    return Interval(
        won.low * (disagree.high if won.low < 0 else disagree.low),
        won.high * (disagree.high if won.high > 0 else disagree.low),
    )


def accuracy_difference_on_disagreements(evidence: Evidence, alpha: float) -> Interval:
    """Confidence sequence of accuracy(v2) - accuracy(v1) where they disagree.

    The product of two shares, each at half of alpha: disagreements with exactly one right, and
    2 share - 1.
    """
    one_right = proportion_confidence_sequence(evidence.discordant, evidence.labeled, alpha / 2)
    share = proportion_confidence_sequence(evidence.only_v2_correct, evidence.discordant, alpha / 2)
    ends = (2 * share.low - 1, 2 * share.high - 1)
    return Interval(
        ends[0] * (one_right.high if ends[0] < 0 else one_right.low),
        ends[1] * (one_right.high if ends[1] > 0 else one_right.low),
    )


def labels_needed(traffic: Traffic, evidence: Evidence) -> int | None:
    """Labels on disagreements that are still needed if things go on as they are; None if unclear.

    To whichever comes first, a winner or equivalence; an estimate without a guarantee.
    """
    share = (evidence.only_v2_correct + 1) / (evidence.discordant + 2)
    one_right = (evidence.discordant + 1) / (evidence.labeled + 2)

    def after(more: int) -> Evidence:
        one, ahead = more * one_right, more * one_right * share
        return Evidence(
            evidence.only_v1_correct + round(one - ahead),
            evidence.only_v2_correct + round(ahead),
            evidence.neither_correct + more - round(one),
        )

    def is_decided(more: int) -> bool:
        then = after(more)
        return find_winner(then) is not None or is_negligible(accuracy_difference(traffic, then))

    return _smallest(is_decided)


@dataclass(frozen=True)
class Stratum:
    """A part of the traffic, how many of it were labelled, and on how many a version was right."""

    total: int
    labeled: int
    correct: int


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; no value where a part of what it is made of is unknown."""

    value: float | None
    interval: Interval


def stratified_accuracy(disagreements: Stratum, agreements: Stratum) -> Estimate:
    """A version's accuracy over the requests that there were.

    Each part's share of requests is known, its accuracy is estimated from those labelled, which
    were drawn at random; the exact intervals of both, at ALPHA together, are added up by share.
    """
    total = disagreements.total + agreements.total
    if total == 0:
        return Estimate(None, UNKNOWN_PROPORTION)
    parts = (
        (disagreements, ALPHA * (1 - _AGREEMENTS_ALPHA_FRACTION)),
        (agreements, ALPHA * _AGREEMENTS_ALPHA_FRACTION),
    )
    value, low, high = 0.0, 0.0, 0.0
    for part, alpha in parts:
        interval = exact_binomial_interval(part.correct, part.labeled, alpha)
        value += part.total / total * part.correct / max(part.labeled, 1)
        low += part.total / total * interval.low
        high += part.total / total * interval.high
    is_known = all(part.labeled or not part.total for part, _ in parts)
    return Estimate(value if is_known else None, Interval(low, high))


def is_negligible(difference: Interval) -> bool:
    """Whether a difference, whatever it is within its interval, is too small to matter."""
    return max(-difference.low, difference.high) <= EQUIVALENT_WITHIN


def _smallest(holds: Callable[[int], bool]) -> int | None:
    """The least whole number from which something holds, to within rounding; None if far off."""
    low, high = 0, 1
    while not holds(high):
        if high == _MAX_LABELS_NEEDED:
            return None
        low, high = high, min(2 * high, _MAX_LABELS_NEEDED)
    while high - low > 1:
        middle = ceil((low + high) / 2)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
