"""What labels say of each version by itself: accuracy, confusion and calibration.

All disagreements are asked about and a twentieth of the agreements, so each label stands for as
many requests as its part of the traffic has for each of its labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.assignment import Version
from app.domain.confidence import EDGES
from app.domain.review_labels import NOT_A_DIGIT
from app.domain.verdicts import Estimate, Stratum, Traffic, stratified_accuracy
from app.services.experiments.lifecycle import ExperimentSummary
from app.store.queries.counters import ConfidenceCounts, LabelCounts

_MILLION = 1_000_000


@dataclass(frozen=True)
class CalibrationBin:
    """Answers within a range of confidence: how sure the version was, how often it was right.

    Both weighed as requests; `labels` is how many labels that rests on.
    """

    low: float
    high: float
    labels: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class LabeledSample:
    """An experiment's traffic with the labels on it."""

    traffic: Traffic
    labels: Sequence[LabelCounts]
    confidence_counts: Sequence[ConfidenceCounts]

    @classmethod
    def of(
        cls, experiment: ExperimentSummary | None, confidence_counts: Sequence[ConfidenceCounts]
    ) -> "LabeledSample":
        """What an experiment's counters hold; nothing of none."""
        if experiment is None:
            return cls(Traffic(0, 0), (), ())
        found = experiment.evaluation
        told = [label for label in found.labels if label.label <= NOT_A_DIGIT]
        return cls(found.traffic, told, confidence_counts)

    def accuracy(self, version: Version) -> Estimate:
        """The share of the experiment's requests that a version read or would have read right."""
        disagreements, agreements = (
            Stratum(
                total=self._requests(is_audit=is_audit),
                labeled=self._labels(is_audit=is_audit),
                correct=sum(
                    label.labels
                    for label in self.labels
                    if label.is_audit == is_audit
                    and _predicted_digit(label, version) == label.label
                ),
            )
            for is_audit in (False, True)
        )
        return stratified_accuracy(disagreements, agreements)

    def confusion(self, version: Version) -> list[list[float]]:
        """Estimated requests: a row for each digit shown (then "no digit"), a column each named."""
        matrix = [[0.0] * 10 for _ in range(NOT_A_DIGIT + 1)]
        for label in self.labels:
            weight = self._weight(is_audit=label.is_audit)
            matrix[label.label][_predicted_digit(label, version)] += weight * label.labels
        return matrix

    def calibration(self, version: Version) -> list[CalibrationBin]:
        """Every range of confidence that has a label."""
        edges = (0.0, *EDGES, 1.0)
        found = []
        for bucket in range(len(edges) - 1):
            parts = [
                part
                for part in self.confidence_counts
                if part.version == version and part.bucket == bucket and part.labels
            ]
            mass = sum(self._weight(is_audit=part.is_audit) * part.labels for part in parts)
            if not mass:
                continue
            sure = (
                sum(
                    self._weight(is_audit=part.is_audit) * part.confidence_sum_millionths
                    for part in parts
                )
                / _MILLION
            )
            right = sum(self._weight(is_audit=part.is_audit) * part.correct for part in parts)
            labels = sum(part.labels for part in parts)
            low, high = edges[bucket : bucket + 2]
            found.append(CalibrationBin(low, high, labels, sure / mass, right / mass))
        return found

    def _requests(self, *, is_audit: bool) -> int:
        """Requests on which the versions agree, or disagree."""
        disagreements = self.traffic.disagreements
        return self.traffic.total - disagreements if is_audit else disagreements

    def _labels(self, *, is_audit: bool) -> int:
        return sum(label.labels for label in self.labels if label.is_audit == is_audit)

    def _weight(self, *, is_audit: bool) -> float:
        """How many requests a label stands for."""
        return self._requests(is_audit=is_audit) / max(self._labels(is_audit=is_audit), 1)


def _predicted_digit(label: LabelCounts, version: Version) -> int:
    return label.v1_digit if version is Version.V1 else label.v2_digit
