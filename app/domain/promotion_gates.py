"""The gates between a candidate and service: what it has to show beside the model that serves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

from app.domain.intervals import paired_lower_bound

MAX_LOSS_VS_DEPLOYED = 0.001
MAX_LOSS_VS_BUNDLED = 0.002  # so that small losses, one retrain after another, cannot add up
NON_INFERIORITY_MARGIN = -0.003
MAX_LOSS_PER_GROUP = 0.01
ALPHA = 0.05

_ROUNDING_ERROR = 1e-12


@dataclass(frozen=True)
class PairedCounts:
    """How a candidate and another model read the same pictures, by which of them were right."""

    images: int
    both_correct: int
    only_candidate_correct: int
    only_baseline_correct: int

    @property
    def candidate_accuracy(self) -> float:
        """The candidate's accuracy."""
        return (self.both_correct + self.only_candidate_correct) / max(self.images, 1)

    @property
    def baseline_accuracy(self) -> float:
        """The other model's accuracy."""
        return (self.both_correct + self.only_baseline_correct) / max(self.images, 1)

    @property
    def difference(self) -> float:
        """The candidate's accuracy less the other's."""
        return (self.only_candidate_correct - self.only_baseline_correct) / max(self.images, 1)

    @property
    def lower_bound(self) -> float:
        """One-sided 95 % lower bound of the difference."""
        return paired_lower_bound(
            self.only_candidate_correct, self.only_baseline_correct, self.images, ALPHA
        )

    @property
    def p_value(self) -> float:
        """One-sided exact McNemar test of "the candidate is not better" (McNemar, 1947)."""
        discordant = self.only_candidate_correct + self.only_baseline_correct
        as_good = range(self.only_candidate_correct, discordant + 1)
        return float(sum(comb(discordant, wins) for wins in as_good) / 2**discordant)


@dataclass(frozen=True)
class CandidateMetrics:
    """A candidate's results: beside the shipped model where it says so, else beside the serving.

    `digits` is validation by digit, `kinds` its digits as pictures of each hard kind; `lessons` are
    the labels that the candidate learned from, `holdout` those that it was not shown.
    """

    validation: PairedCounts
    validation_vs_bundled: PairedCounts
    by_digit: Mapping[str, PairedCounts]
    by_image_kind: Mapping[str, PairedCounts]
    holdout: PairedCounts
    train: PairedCounts


@dataclass(frozen=True)
class Gate:
    """One gate: what was asked, the metrics it rests on, and whether the candidate passed."""

    name: str
    passed: bool
    summary: str
    metrics: Mapping[str, float]


def evaluate(metrics: CandidateMetrics) -> list[Gate]:
    """Hold a candidate against every gate, in order; one that passes them all may serve."""
    return [
        _max_loss_gate(
            "validation", metrics.validation, MAX_LOSS_VS_DEPLOYED, "the model in service"
        ),
        _max_loss_gate(
            "validation vs bundled",
            metrics.validation_vs_bundled,
            MAX_LOSS_VS_BUNDLED,
            "the shipped model",
        ),
        _non_inferiority_gate(metrics.validation),
        _max_loss_per_group_gate("per-class accuracy", metrics.by_digit),
        _max_loss_per_group_gate("robustness", metrics.by_image_kind),
        _improvement_gate(metrics.holdout, metrics.train),
    ]


def rejection_reason(gates: Sequence[Gate]) -> str | None:
    """Why a candidate may not serve: what the first gate that it failed said; None if it may."""
    return next((f"{gate.name}: {gate.summary}" for gate in gates if not gate.passed), None)


def _max_loss_gate(name: str, found: PairedCounts, most_lost: float, whom: str) -> Gate:
    return Gate(
        name,
        found.difference >= -most_lost - _ROUNDING_ERROR,
        f"{found.difference:+.2%} beside {whom}, at most {-most_lost:.1%} is let through",
        {
            "candidate": found.candidate_accuracy,
            "baseline": found.baseline_accuracy,
            "difference": found.difference,
        },
    )


def _non_inferiority_gate(found: PairedCounts) -> Gate:
    return Gate(
        "non-inferiority",
        found.lower_bound > NON_INFERIORITY_MARGIN,
        f"with 95 % confidence not below {found.lower_bound:+.2%}, the bar is {NON_INFERIORITY_MARGIN:.1%}",
        {"lower_bound": found.lower_bound},
    )


def _max_loss_per_group_gate(name: str, parts: Mapping[str, PairedCounts]) -> Gate:
    differences = {part: found.difference for part, found in parts.items()}
    worst = min(differences, key=lambda part: differences[part])
    return Gate(
        name,
        differences[worst] >= -MAX_LOSS_PER_GROUP - _ROUNDING_ERROR,
        f"{worst} is the worst of them, {differences[worst]:+.2%}; the bar is"
        f" {-MAX_LOSS_PER_GROUP:.0%}",
        differences,
    )


def _improvement_gate(holdout: PairedCounts, train: PairedCounts) -> Gate:
    """Better on labels that it has not seen; or not worse there, and better on those it has."""
    metrics = {
        "holdout": holdout.difference,
        "holdout_images": holdout.images,
        "p_value": holdout.p_value,
        "train": train.difference,
    }
    if holdout.p_value < ALPHA:
        summary = f"better on the holdout, {holdout.difference:+.1%}, p = {holdout.p_value:.3g}"
        return Gate("improvement", True, summary, metrics)
    passed = holdout.difference >= 0 and train.difference > 0
    beside = f"{holdout.difference:+.1%} on the holdout, {train.difference:+.1%} on its lessons"
    if passed:
        return Gate("improvement", True, f"better on its lessons and not worse: {beside}", metrics)
    return Gate("improvement", False, f"not shown to be better: {beside}", metrics)
