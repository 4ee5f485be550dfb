"""Judging an experiment by its counters; reads them, changes nothing."""

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
    """An experiment's verdict with all that it rests on."""

    verdict: Verdict
    labels_needed: int | None
    stages: tuple[ExperimentStage, ...]
    traffic: Traffic
    evidence: Evidence
    validity: Validity
    mismatch_p_value: float | None
    labels: tuple[LabelCounts, ...]
    drawn: tuple[TrafficCounts, ...]

    def served_by(self, version: Version) -> int:
        """How many requests a version answered."""
        return served_count(version, self.drawn)

    @property
    def warnings(self) -> list[str]:
        """What does not void the experiment and should be looked at."""
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
        """How many labels there are of each kind."""
        said = [label for label in self.labels if label.label <= NOT_A_DIGIT]
        return {
            "discordant": self.evidence.discordant,
            "disagreements": self.evidence.labeled,
            "audit": sum(label.labels for label in said if label.is_audit),
            "total": sum(label.labels for label in said),
            "skipped": self.validity.skips.count,
            "erased": self.validity.erasures.count,
        }


def evaluate(session: Session, experiment: Experiment) -> Evaluation:
    """Judge an experiment as it stands."""
    stages = tuple(experiments.list_stages(session, experiment.id))
    drawn = counts_in_stages(stages, counters.list_traffic(session))
    labels, traffic = tuple(counters.list_labels(session, experiment.id)), total_traffic(drawn)
    evidence, validity = evidence_from(labels), _validity(experiment, stages, drawn, labels)
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
        mismatch_p_value=_mismatch_p_value(stages, drawn),
        labels=labels,
        drawn=drawn,
    )


def counts_in_stages(
    stages: Sequence[ExperimentStage], drawn: Sequence[TrafficCounts]
) -> tuple[TrafficCounts, ...]:
    """What was counted in these stages."""
    ids = {stage.id for stage in stages}
    return tuple(count for count in drawn if count.stage_id in ids)


def total_traffic(drawn: Sequence[TrafficCounts]) -> Traffic:
    """How many requests were counted, and on how many of them the versions disagreed."""
    return Traffic(
        sum(count.served for count in drawn), sum(count.disagreements for count in drawn)
    )


def served_count(version: Version, drawn: Sequence[TrafficCounts]) -> int:
    """How many of these requests a version answered."""
    return sum(count.served for count in drawn if count.version == version)


def evidence_from(labels: Sequence[LabelCounts]) -> Evidence:
    """What reviewers' labels on disagreements say; audits and skips say nothing here."""
    told = [label for label in labels if not label.is_audit and label.label <= NOT_A_DIGIT]
    only_v1_correct = sum(label.labels for label in told if label.label == label.v1_digit)
    only_v2_correct = sum(label.labels for label in told if label.label == label.v2_digit)
    return Evidence(
        only_v1_correct,
        only_v2_correct,
        sum(label.labels for label in told) - only_v1_correct - only_v2_correct,
    )


def mismatch_log_e_value(
    stages: Sequence[ExperimentStage], drawn: Sequence[TrafficCounts]
) -> float:
    """Log of the evidence that versions were not drawn as set; of stages it adds up."""
    return sum(
        sample_ratio_mismatch.log_e_value(_assignment_counts(stage, drawn)) for stage in stages
    )


def _validity(
    experiment: Experiment,
    stages: Sequence[ExperimentStage],
    drawn: Sequence[TrafficCounts],
    labels: Sequence[LabelCounts],
) -> Validity:
    disputed = [label for label in labels if not label.is_audit and label.label != SKIPPED]
    given = [label for label in labels if label.label != ERASED]
    return Validity(
        is_voided=experiment.voided_at is not None,
        mismatch_log_e_value=mismatch_log_e_value(stages, drawn),
        crossovers=Proportion(
            sum(count.crossed_over for count in drawn), sum(count.assigned_units for count in drawn)
        ),
        skips=_proportion_of(SKIPPED, given),
        erasures=_proportion_of(ERASED, disputed),
    )


def _proportion_of(truth: int, labels: Sequence[LabelCounts]) -> Proportion:
    return Proportion(
        sum(label.labels for label in labels if label.label == truth),
        sum(label.labels for label in labels),
    )


def _mismatch_p_value(
    stages: Sequence[ExperimentStage], drawn: Sequence[TrafficCounts]
) -> float | None:
    """Of the last stage that divided traffic."""
    divided = [stage for stage in stages if 0 < stage.weight < 1]
    return (
        sample_ratio_mismatch.p_value(_assignment_counts(divided[-1], drawn)) if divided else None
    )


def _assignment_counts(stage: ExperimentStage, drawn: Sequence[TrafficCounts]) -> AssignmentCounts:
    units = {
        version: sum(
            count.assigned_units
            for count in drawn
            if count.stage_id == stage.id and count.version == version
        )
        for version in Version
    }
    return AssignmentCounts(stage.weight, units[Version.V1], units[Version.V2])
