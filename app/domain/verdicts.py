"""The verdict of an experiment: which version is better, from labeled disagreements alone.

If both versions predict the same digit, they are either both right or both wrong, so only images on
which they disagree and exactly one is right (discordant pairs) can tell them apart. User feedback
is never part of it.
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
EQUIVALENT_WITHIN = 0.003  # accuracy, in either direction
MAX_SKIP_RATE = 0.25
MAX_ERASURE_RATE = 0.25
MAX_CROSSOVER_RATE = 0.05
MIN_VIOLATION_COUNT = 4  # fewer never invalidate an experiment, whatever their rate
WARNING_CROSSOVER_RATE = 0.01
MISMATCH_E_VALUE = 1_000.0

_MAX_LABELS_NEEDED = 100_000  # estimates beyond this are reported as unknown
_AGREEMENTS_ALPHA_FRACTION = 0.8  # of a stratified interval's alpha; nearly all traffic agrees


class Outcome(StrEnum):
    """What an experiment has shown so far."""

    INVALID = "invalid"
    V1 = "v1"
    V2 = "v2"
    EQUIVALENT = "equivalent"
    COLLECTING = "collecting"


@dataclass(frozen=True)
class Traffic:
    """The number of A/B requests of an experiment, and of disagreements among them."""

    total: int
    disagreements: int


@dataclass(frozen=True)
class Evidence:
    """The numbers of labeled disagreements, by which version was correct."""

    only_v1_correct: int = 0
    only_v2_correct: int = 0
    neither_correct: int = 0

    @property
    def discordant(self) -> int:
        """Return the number of discordant pairs: exactly one version was correct."""
        return self.only_v1_correct + self.only_v2_correct

    @property
    def labeled(self) -> int:
        """Return the number of labeled disagreements."""
        return self.discordant + self.neither_correct


@dataclass(frozen=True)
class Proportion:
    """A count out of a total."""

    count: int = 0
    total: int = 0

    @property
    def value(self) -> float:
        """Return the proportion in 0..1; 0 of 0 is 0."""
        return self.count / max(self.total, 1)

    def exceeds(self, limit: float) -> bool:
        """Return whether it exceeds a limit, with at least MIN_VIOLATION_COUNT cases."""
        return self.count >= MIN_VIOLATION_COUNT and self.value > limit


@dataclass(frozen=True)
class Validity:
    """The checks that can invalidate an experiment.

    A sample ratio mismatch, which invalidates for good once it was found; crossovers among users;
    skips among labels; disagreements that were erased before they were labeled.
    """

    is_voided: bool = False
    mismatch_log_e_value: float = 0.0
    crossovers: Proportion = Proportion()
    skips: Proportion = Proportion()
    erasures: Proportion = Proportion()

    @property
    def violation(self) -> str | None:
        """Return the first check that failed, or None if the experiment is valid."""
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
    """Return whether the evidence of a sample ratio mismatch invalidates an experiment."""
    return log_e_value >= log(MISMATCH_E_VALUE)


@dataclass(frozen=True)
class Verdict:
    """An outcome with its evidence; `win_rate` is P(v2 correct | exactly one correct)."""

    outcome: Outcome
    reason: str | None
    e_value: float
    win_rate: Interval
    difference: Interval


def decide(
    traffic: Traffic, evidence: Evidence, validity: Validity, locked_winner: Version | None
) -> Verdict:
    """Decide an experiment; a locked winner stays the winner unless the experiment is invalid."""
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
    """Return the better version once the e-value reaches 1/ALPHA, or None."""
    if log_e_value(evidence.only_v2_correct, evidence.discordant) < -log(ALPHA):
        return None
    return Version.V2 if evidence.only_v2_correct > evidence.only_v1_correct else Version.V1


def accuracy_difference(traffic: Traffic, evidence: Evidence, alpha: float = ALPHA) -> Interval:
    """Return a confidence sequence of accuracy(v2) - accuracy(v1) over future traffic.

    The product of three factors, each with its own sequence at a third of alpha (Bonferroni): the
    disagreement rate, the discordant proportion of the disagreements, and 2 win_rate - 1.
    """
    disagreement_rate = proportion_confidence_sequence(
        traffic.disagreements, traffic.total, alpha / 3
    )
    gain = accuracy_difference_on_disagreements(evidence, alpha * 2 / 3)
    return Interval(
        gain.low * (disagreement_rate.high if gain.low < 0 else disagreement_rate.low),
        gain.high * (disagreement_rate.high if gain.high > 0 else disagreement_rate.low),
    )


def accuracy_difference_on_disagreements(evidence: Evidence, alpha: float) -> Interval:
    """Return a confidence sequence of accuracy(v2) - accuracy(v1) where they disagree.

    The product of two factors, each at half of alpha: the discordant proportion of the
    disagreements, and 2 win_rate - 1.
    """
    discordant_rate = proportion_confidence_sequence(
        evidence.discordant, evidence.labeled, alpha / 2
    )
    win_rate = proportion_confidence_sequence(
        evidence.only_v2_correct, evidence.discordant, alpha / 2
    )
    ends = (2 * win_rate.low - 1, 2 * win_rate.high - 1)
    return Interval(
        ends[0] * (discordant_rate.high if ends[0] < 0 else discordant_rate.low),
        ends[1] * (discordant_rate.high if ends[1] > 0 else discordant_rate.low),
    )


def labels_needed(traffic: Traffic, evidence: Evidence) -> int | None:
    """Estimate how many more disagreements must be labeled for a winner or equivalence.

    It extrapolates the current rates, without a guarantee; None if the number is too large.
    """
    win_rate = (evidence.only_v2_correct + 1) / (evidence.discordant + 2)
    discordant_rate = (evidence.discordant + 1) / (evidence.labeled + 2)

    def extrapolate(more: int) -> Evidence:
        discordant, v2_wins = more * discordant_rate, more * discordant_rate * win_rate
        return Evidence(
            evidence.only_v1_correct + round(discordant - v2_wins),
            evidence.only_v2_correct + round(v2_wins),
            evidence.neither_correct + more - round(discordant),
        )

    def is_decided(more: int) -> bool:
        later = extrapolate(more)
        return find_winner(later) is not None or is_negligible(accuracy_difference(traffic, later))

    return _smallest(is_decided)


@dataclass(frozen=True)
class Stratum:
    """A stratum of the traffic: requests, labels, and labels on which a version was correct."""

    total: int
    labeled: int
    correct: int


@dataclass(frozen=True)
class Estimate:
    """An estimate with its interval; the value is None while a nonempty stratum has no label."""

    value: float | None
    interval: Interval


def stratified_accuracy(disagreements: Stratum, agreements: Stratum) -> Estimate:
    """Estimate a version's accuracy over all requests so far.

    The weight of each stratum is known, its accuracy is estimated from a random sample of labels;
    the exact intervals of both, at ALPHA together (Bonferroni), are added up by weight.
    """
    total = disagreements.total + agreements.total
    if total == 0:
        return Estimate(None, UNKNOWN_PROPORTION)
    strata = (
        (disagreements, ALPHA * (1 - _AGREEMENTS_ALPHA_FRACTION)),
        (agreements, ALPHA * _AGREEMENTS_ALPHA_FRACTION),
    )
    value, low, high = 0.0, 0.0, 0.0
    for stratum, alpha in strata:
        interval = exact_binomial_interval(stratum.correct, stratum.labeled, alpha)
        value += stratum.total / total * stratum.correct / max(stratum.labeled, 1)
        low += stratum.total / total * interval.low
        high += stratum.total / total * interval.high
    is_known = all(stratum.labeled or not stratum.total for stratum, _ in strata)
    return Estimate(value if is_known else None, Interval(low, high))


def is_negligible(difference: Interval) -> bool:
    """Return whether the whole interval is within the region of practical equivalence."""
    return max(-difference.low, difference.high) <= EQUIVALENT_WITHIN


def _smallest(is_true: Callable[[int], bool]) -> int | None:
    """Return the smallest integer from which a predicate holds; None beyond the maximum."""
    low, high = 0, 1
    while not is_true(high):
        if high == _MAX_LABELS_NEEDED:
            return None
        low, high = high, min(2 * high, _MAX_LABELS_NEEDED)
    while high - low > 1:
        middle = ceil((low + high) / 2)
        low, high = (low, middle) if is_true(middle) else (middle, high)
    return high
