"""Evaluation of an experiment from its counters; read-only."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.domain import sample_ratio_mismatch
from app.domain.assignment import Version
from app.domain.review_labels import ERASED, NOT_A_DIGIT, SKIPPED
from app.domain.sample_ratio_mismatch import AssignmentCounts
from app.domain.verdicts import (
    WARNING_CROSSOVER_RATE,
    Evidence,
    Outcome,
    Proportion,
    Traffic,
    Validity,
    Verdict,
    decide,
    labels_needed,
)
from app.store.queries import counters, experiments
from app.store.queries.counters import LabelCounts, TrafficCounts
from app.store.tables import Experiment, ExperimentStage


@dataclass(frozen=True)
class Evaluation:
    """An experiment's verdict with the counts behind it."""

    verdict: Verdict
    labels_needed: int | None
    stages: tuple[ExperimentStage, ...]
    traffic: Traffic
    evidence: Evidence
    validity: Validity
    mismatch_p_value: float | None
    labels: tuple[LabelCounts, ...]
    traffic_counts: tuple[TrafficCounts, ...]

    def served_by(self, version: Version) -> int:
        """Return the number of requests that a version answered."""
        return served_count(version, self.traffic_counts)

    @property
    def warnings(self) -> list[str]:
        """Return problems that do not invalidate the experiment but should be investigated."""
        found = []
        if (
            self.mismatch_p_value is not None
            and self.mismatch_p_value < sample_ratio_mismatch.WARNING_P_VALUE
        ):
            found.append("possible sample ratio mismatch")
        if self.validity.crossovers.exceeds(WARNING_CROSSOVER_RATE):
            found.append("users exposed to both versions")
        return found

    @property
    def labels_used(self) -> dict[str, int]:
        """Return the number of labels of each kind."""
        digit_labels = [label for label in self.labels if label.label <= NOT_A_DIGIT]
        return {
            "discordant": self.evidence.discordant,
            "disagreements": self.evidence.labeled,
            "audit": sum(label.labels for label in digit_labels if label.is_audit),
            "total": sum(label.labels for label in digit_labels),
            "skipped": self.validity.skips.count,
            "erased": self.validity.erasures.count,
        }


def evaluate(session: Session, experiment: Experiment) -> Evaluation:
    """Evaluate an experiment with the data so far."""
    stages = tuple(experiments.list_stages(session, experiment.id))
    traffic_counts = counts_in_stages(stages, counters.list_traffic(session))
    labels, traffic = (
        tuple(counters.list_labels(session, experiment.id)),
        total_traffic(traffic_counts),
    )
    evidence, validity = (
        evidence_from(labels),
        _validity(experiment, stages, traffic_counts, labels),
    )
    locked_winner = None if experiment.winner is None else Version(experiment.winner)
    verdict = decide(traffic, evidence, validity, locked_winner)
    is_open = experiment.ended_at is None and verdict.outcome is Outcome.COLLECTING
    return Evaluation(
        verdict=verdict,
        labels_needed=labels_needed(traffic, evidence) if is_open else None,
        stages=stages,
        traffic=traffic,
        evidence=evidence,
        validity=validity,
        mismatch_p_value=_mismatch_p_value(stages, traffic_counts),
        labels=labels,
        traffic_counts=traffic_counts,
    )


def counts_in_stages(
    stages: Sequence[ExperimentStage], traffic_counts: Sequence[TrafficCounts]
) -> tuple[TrafficCounts, ...]:
    """Return the counts of these stages."""
    ids = {stage.id for stage in stages}
    return tuple(count for count in traffic_counts if count.stage_id in ids)


def total_traffic(traffic_counts: Sequence[TrafficCounts]) -> Traffic:
    """Return the total number of requests, and of disagreements among them."""
    return Traffic(
        sum(count.served for count in traffic_counts),
        sum(count.disagreements for count in traffic_counts),
    )


def served_count(version: Version, traffic_counts: Sequence[TrafficCounts]) -> int:
    """Return how many of these requests a version answered."""
    return sum(count.served for count in traffic_counts if count.version == version)


def evidence_from(labels: Sequence[LabelCounts]) -> Evidence:
    """Return the evidence of the labels on disagreements; audits and skips are no evidence."""
    digit_labels = [label for label in labels if not label.is_audit and label.label <= NOT_A_DIGIT]
    only_v1_correct = sum(label.labels for label in digit_labels if label.label == label.v1_digit)
    only_v2_correct = sum(label.labels for label in digit_labels if label.label == label.v2_digit)
    return Evidence(
        only_v1_correct,
        only_v2_correct,
        sum(label.labels for label in digit_labels) - only_v1_correct - only_v2_correct,
    )


def mismatch_log_e_value(
    stages: Sequence[ExperimentStage], traffic_counts: Sequence[TrafficCounts]
) -> float:
    """Return the log e-value of a sample ratio mismatch, summed over the stages."""
    return sum(
        sample_ratio_mismatch.log_e_value(_assignment_counts(stage, traffic_counts))
        for stage in stages
    )


def _validity(
    experiment: Experiment,
    stages: Sequence[ExperimentStage],
    traffic_counts: Sequence[TrafficCounts],
    labels: Sequence[LabelCounts],
) -> Validity:
    disagreements = [label for label in labels if not label.is_audit and label.label != SKIPPED]
    not_erased = [label for label in labels if label.label != ERASED]
    return Validity(
        is_voided=experiment.voided_at is not None,
        mismatch_log_e_value=mismatch_log_e_value(stages, traffic_counts),
        crossovers=Proportion(
            sum(count.crossed_over for count in traffic_counts),
            sum(count.assigned_units for count in traffic_counts),
        ),
        skips=_proportion_of(SKIPPED, not_erased),
        erasures=_proportion_of(ERASED, disagreements),
    )


def _proportion_of(value: int, labels: Sequence[LabelCounts]) -> Proportion:
    return Proportion(
        sum(label.labels for label in labels if label.label == value),
        sum(label.labels for label in labels),
    )


def _mismatch_p_value(
    stages: Sequence[ExperimentStage], traffic_counts: Sequence[TrafficCounts]
) -> float | None:
    """Return the p-value of the last stage that split traffic between both versions."""
    split_stages = [stage for stage in stages if 0 < stage.weight < 1]
    return (
        sample_ratio_mismatch.p_value(_assignment_counts(split_stages[-1], traffic_counts))
        if split_stages
        else None
    )


def _assignment_counts(
    stage: ExperimentStage, traffic_counts: Sequence[TrafficCounts]
) -> AssignmentCounts:
    units = {
        version: sum(
            count.assigned_units
            for count in traffic_counts
            if count.stage_id == stage.id and count.version == version
        )
        for version in Version
    }
    return AssignmentCounts(stage.weight, units[Version.V1], units[Version.V2])
