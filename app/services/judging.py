"""Judging an experiment by its counters; reads them, changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.domain import mismatch
from app.domain.assignment import Version
from app.domain.mismatch import Draws
from app.domain.verdicts import CROSSED_WARNING, Evidence, Soundness, Traffic, Verdict, decide
from app.store import counters, experiments
from app.store.counters import Drawn, Labelled
from app.store.reviews import SKIPPED
from app.store.tables import Experiment, Stage


@dataclass(frozen=True)
class Assessment:
    """An experiment's verdict with all that it rests on."""

    verdict: Verdict
    traffic: Traffic
    evidence: Evidence
    soundness: Soundness
    mismatch_p_value: float | None
    labels: tuple[Labelled, ...]
    drawn: tuple[Drawn, ...]

    def units_of(self, stage_id: int) -> int:
        """How many units a stage has assigned."""
        return sum(count.units for count in self.drawn if count.stage_id == stage_id)

    def served_by(self, version: Version) -> int:
        """How many requests a version answered."""
        return sum(count.served for count in self.drawn if count.version == version)

    @property
    def warnings(self) -> list[str]:
        """What does not void the experiment and should be looked at."""
        found = []
        if self.mismatch_p_value is not None and self.mismatch_p_value < mismatch.SHOWN_BELOW:
            found.append("versions were not drawn as often as set")
        if self.soundness.crossed > CROSSED_WARNING:
            found.append("users met both versions")
        return found

    @property
    def labels_used(self) -> dict[str, int]:
        """How many labels there are of each kind."""
        audits = sum(label.labels for label in self.labels if label.is_audit)
        skips = sum(label.labels for label in self.labels if label.truth == SKIPPED)
        skipped_audits = sum(
            label.labels for label in self.labels if label.is_audit and label.truth == SKIPPED
        )
        return {
            "informative": self.evidence.informative,
            "disagreements": self.evidence.labelled,
            "audit": audits - skipped_audits,
            "all": self.evidence.labelled + audits - skipped_audits,
            "skipped": skips,
        }


def assess(session: Session, experiment: Experiment) -> Assessment:
    """Judge an experiment as it stands."""
    stages = experiments.stages(session, experiment.id)
    ids = {stage.id for stage in stages}
    drawn = tuple(count for count in counters.drawn(session) if count.stage_id in ids)
    labels = tuple(counters.labelled(session, experiment.id))
    traffic = Traffic(
        sum(count.served for count in drawn), sum(count.disagreements for count in drawn)
    )
    evidence, soundness = evidence_of(labels), _soundness(stages, drawn, labels)
    latched = None if experiment.winner is None else Version(experiment.winner)
    return Assessment(
        verdict=decide(traffic, evidence, soundness, latched),
        traffic=traffic,
        evidence=evidence,
        soundness=soundness,
        mismatch_p_value=mismatch.p_value(_draws(stages[-1], drawn)),
        labels=labels,
        drawn=drawn,
    )


def evidence_of(labels: Sequence[Labelled]) -> Evidence:
    """What reviewers' labels on disagreements say; audits and skips say nothing here."""
    told = [label for label in labels if not label.is_audit and label.truth != SKIPPED]
    v1_alone = sum(label.labels for label in told if label.truth == label.v1_digit)
    v2_alone = sum(label.labels for label in told if label.truth == label.v2_digit)
    return Evidence(v1_alone, v2_alone, sum(label.labels for label in told) - v1_alone - v2_alone)


def _soundness(
    stages: Sequence[Stage], drawn: Sequence[Drawn], labels: Sequence[Labelled]
) -> Soundness:
    units = sum(count.units for count in drawn)
    given = sum(label.labels for label in labels)
    skipped = sum(label.labels for label in labels if label.truth == SKIPPED)
    return Soundness(
        log_mismatch=sum(mismatch.log_e_value(_draws(stage, drawn)) for stage in stages),
        crossed=sum(count.crossed for count in drawn) / max(units, 1),
        skipped=skipped / max(given, 1),
    )


def _draws(stage: Stage, drawn: Sequence[Drawn]) -> Draws:
    units = {
        version: sum(
            count.units
            for count in drawn
            if count.stage_id == stage.id and count.version == version
        )
        for version in Version
    }
    return Draws(stage.weight, units[Version.V1], units[Version.V2])
