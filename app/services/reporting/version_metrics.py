"""Accuracy, confusion matrix and calibration of each version, estimated from labels.

All disagreements are queued for review and a twentieth of the agreements, so each label is weighted
by the number of requests per label in its stratum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.domain.assignment import Version
from app.domain.confidence import EDGES
from app.domain.review_labels import NOT_A_DIGIT
from app.domain.verdicts import Estimate, Stratum, Traffic, stratified_accuracy
from app.services.experiments.lifecycle import ExperimentSummary
from app.store.queries.counters import ConfidenceCounts, LabelCounts

_MILLION = 1_000_000


@dataclass(frozen=True)
class CalibrationBin:
    """A bin of the calibration curve: mean confidence and accuracy of its predictions.

    Both are weighted by requests; `labels` is the number of labels in the bin.
    """

    low: float
    high: float
    labels: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class LabeledSample:
    """An experiment's traffic with its labels."""

    traffic: Traffic
    labels: Sequence[LabelCounts]
    confidence_counts: Sequence[ConfidenceCounts]

    @classmethod
    def of(
        cls, experiment: ExperimentSummary | None, confidence_counts: Sequence[ConfidenceCounts]
    ) -> "LabeledSample":
        """Return the sample of an experiment; an empty one for None."""
        if experiment is None:
            return cls(Traffic(0, 0), (), ())
        evaluation = experiment.evaluation
        labels = [label for label in evaluation.labels if label.label <= NOT_A_DIGIT]
        return cls(evaluation.traffic, labels, confidence_counts)

    def accuracy(self, version: Version) -> Estimate:
        """Estimate on which fraction of the experiment's requests a version is correct."""
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
        """Return estimated requests (11, 10) by true label (last "not a digit") and prediction."""
        matrix = [[0.0] * 10 for _ in range(NOT_A_DIGIT + 1)]
        for label in self.labels:
            weight = self._weight(is_audit=label.is_audit)
            matrix[label.label][_predicted_digit(label, version)] += weight * label.labels
        return matrix

    def calibration(self, version: Version) -> list[CalibrationBin]:
        """Return the bins that have a label, by confidence."""
        edges = (0.0, *EDGES, 1.0)
        bins = []
        for bucket, (low, high) in enumerate(pairwise(edges)):
            counts = [
                count
                for count in self.confidence_counts
                if count.version == version and count.bucket == bucket and count.labels
            ]
            weights = [self._weight(is_audit=count.is_audit) for count in counts]
            weighted = list(zip(weights, counts, strict=True))
            mass = sum(weight * count.labels for weight, count in weighted)
            if not mass:
                continue
            confidence = sum(weight * count.confidence_sum_millionths for weight, count in weighted)
            correct = sum(weight * count.correct for weight, count in weighted)
            labels = sum(count.labels for count in counts)
            bins.append(
                CalibrationBin(low, high, labels, confidence / _MILLION / mass, correct / mass)
            )
        return bins

    def _requests(self, *, is_audit: bool) -> int:
        """Return the number of requests on which the versions agree or, if not audit, disagree."""
        disagreements = self.traffic.disagreements
        return self.traffic.total - disagreements if is_audit else disagreements

    def _labels(self, *, is_audit: bool) -> int:
        return sum(label.labels for label in self.labels if label.is_audit == is_audit)

    def _weight(self, *, is_audit: bool) -> float:
        """Return the number of requests that a label represents."""
        return self._requests(is_audit=is_audit) / max(self._labels(is_audit=is_audit), 1)


def _predicted_digit(label: LabelCounts, version: Version) -> int:
    return label.v1_digit if version is Version.V1 else label.v2_digit
