"""Promotion gates: what a candidate must show, compared with the deployed model, to be deployed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

from app.domain.intervals import paired_lower_bound

MAX_LOSS_VS_DEPLOYED = 0.001
MAX_LOSS_VS_BUNDLED = 0.002  # so that small losses of successive retrains cannot add up
NON_INFERIORITY_MARGIN = -0.003
MAX_LOSS_PER_GROUP = 0.01
ALPHA = 0.05

_ROUNDING_ERROR = 1e-12


@dataclass(frozen=True)
class PairedCounts:
    """On how many of the same images a candidate, a baseline model or both are correct."""

    images: int
    both_correct: int
    only_candidate_correct: int
    only_baseline_correct: int

    @property
    def candidate_accuracy(self) -> float:
        """Return the candidate's accuracy."""
        return (self.both_correct + self.only_candidate_correct) / max(self.images, 1)

    @property
    def baseline_accuracy(self) -> float:
        """Return the baseline's accuracy."""
        return (self.both_correct + self.only_baseline_correct) / max(self.images, 1)

    @property
    def difference(self) -> float:
        """Return the candidate's accuracy minus the baseline's."""
        return (self.only_candidate_correct - self.only_baseline_correct) / max(self.images, 1)

    @property
    def lower_bound(self) -> float:
        """Return a one-sided 95 % lower bound of the difference."""
        return paired_lower_bound(
            self.only_candidate_correct, self.only_baseline_correct, self.images, ALPHA
        )

    @property
    def p_value(self) -> float:
        """Return the one-sided exact p-value of "the candidate is not better" (McNemar, 1947)."""
        discordant = self.only_candidate_correct + self.only_baseline_correct
        as_good = range(self.only_candidate_correct, discordant + 1)
        return float(sum(comb(discordant, wins) for wins in as_good) / 2**discordant)


@dataclass(frozen=True)
class CandidateMetrics:
    """A candidate's results, compared with the deployed model unless the name says otherwise.

    `by_digit` is the validation set by digit, `by_image_kind` its digits rendered as images of each
    difficult kind; `train` are the labels that the candidate was trained on, `holdout` the others.
    """

    validation: PairedCounts
    validation_vs_bundled: PairedCounts
    by_digit: Mapping[str, PairedCounts]
    by_image_kind: Mapping[str, PairedCounts]
    holdout: PairedCounts
    train: PairedCounts


@dataclass(frozen=True)
class Gate:
    """A gate: its name, whether the candidate passed, and the metrics that it depends on."""

    name: str
    passed: bool
    summary: str
    metrics: Mapping[str, float]


def evaluate(metrics: CandidateMetrics) -> list[Gate]:
    """Evaluate every gate, in order; a candidate that passes all of them may be deployed."""
    return [
        _max_loss_gate(
            "validation", metrics.validation, MAX_LOSS_VS_DEPLOYED, "the deployed model"
        ),
        _max_loss_gate(
            "validation vs bundled",
            metrics.validation_vs_bundled,
            MAX_LOSS_VS_BUNDLED,
            "the bundled model",
        ),
        _non_inferiority_gate(metrics.validation),
        _max_loss_per_group_gate("per-class accuracy", metrics.by_digit),
        _max_loss_per_group_gate("robustness", metrics.by_image_kind),
        _improvement_gate(metrics.holdout, metrics.train),
    ]


def rejection_reason(gates: Sequence[Gate]) -> str | None:
    """Return the name and summary of the first failed gate, or None if all passed."""
    return next((f"{gate.name}: {gate.summary}" for gate in gates if not gate.passed), None)


def _max_loss_gate(name: str, counts: PairedCounts, max_loss: float, baseline: str) -> Gate:
    return Gate(
        name,
        counts.difference >= -max_loss - _ROUNDING_ERROR,
        f"{counts.difference:+.2%} compared with {baseline}; the limit is {-max_loss:.1%}",
        {
            "candidate": counts.candidate_accuracy,
            "baseline": counts.baseline_accuracy,
            "difference": counts.difference,
        },
    )


def _non_inferiority_gate(counts: PairedCounts) -> Gate:
    return Gate(
        "non-inferiority",
        counts.lower_bound > NON_INFERIORITY_MARGIN,
        f"95 % lower bound of the difference {counts.lower_bound:+.2%}; the limit is"
        f" {NON_INFERIORITY_MARGIN:.1%}",
        {"lower_bound": counts.lower_bound},
    )


def _max_loss_per_group_gate(name: str, groups: Mapping[str, PairedCounts]) -> Gate:
    differences = {group: counts.difference for group, counts in groups.items()}
    worst = min(differences, key=lambda group: differences[group])
    return Gate(
        name,
        differences[worst] >= -MAX_LOSS_PER_GROUP - _ROUNDING_ERROR,
        f"{worst} is the worst, {differences[worst]:+.2%}; the limit is {-MAX_LOSS_PER_GROUP:.0%}",
        differences,
    )


def _improvement_gate(holdout: PairedCounts, train: PairedCounts) -> Gate:
    """Require a better holdout, or a holdout not worse and better training labels."""
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
    verdict = (
        "better on the training labels, not worse on the holdout"
        if passed
        else "not shown to be better"
    )
    summary = (
        f"{verdict}: {holdout.difference:+.1%} on the holdout,"
        f" {train.difference:+.1%} on the training labels"
    )
    return Gate("improvement", passed, summary, metrics)
