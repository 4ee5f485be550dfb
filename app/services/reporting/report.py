"""The report: feedback, metrics of each version and the experiment, read from counters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.assignment import Version
from app.domain.intervals import Interval, SampleMean, mean_difference_confidence_sequence
from app.domain.latency_histogram import quantile_ms
from app.domain.verdicts import ALPHA, Estimate, Traffic
from app.services.experiments.evaluation import counts_in_stages, served_count, total_traffic
from app.services.experiments.lifecycle import ExperimentSummary, get_latest_in
from app.services.reporting.version_metrics import CalibrationBin, LabeledSample
from app.store.engine.db import read_transaction
from app.store.queries import counters, experiments, reviews
from app.store.queries.counters import FeedbackCounts

MIN_FEEDBACK_COUNT = 30  # per version; the confidence sequence is asymptotic


@dataclass(frozen=True)
class FeedbackTotals:
    """The number of feedback entries, and of those that call the prediction correct."""

    total: int
    correct: int


@dataclass(frozen=True)
class VersionReport:
    """The metrics of a version; labels are those of the current experiment.

    `confusion` (11, 10) contains estimated requests: rows by true label, the ten digits and then
    "not a digit", columns by predicted digit.
    """

    served: int
    feedback: FeedbackTotals
    latency_ms: Mapping[str, float | None]
    accuracy: Estimate
    confusion: Sequence[Sequence[float]]
    calibration: Sequence[CalibrationBin]


@dataclass(frozen=True)
class UserFeedback:
    """User feedback on served predictions: volunteered and not blind, so never in the verdict."""

    feedback: Mapping[Version, FeedbackTotals]
    difference: Interval


@dataclass(frozen=True)
class Report:
    """The report that admins see."""

    feedback: FeedbackTotals
    versions: Mapping[Version, VersionReport]
    experiment: ExperimentSummary | None
    user_feedback: UserFeedback | None


@dataclass(frozen=True)
class TrafficSummary:
    """Traffic in total and of the current experiment, and the length of the review queue."""

    served: Mapping[Version, int]
    latency_ms: Mapping[Version, Mapping[str, float | None]]
    experiment_traffic: Traffic
    pending_reviews: int


def summarize_traffic() -> TrafficSummary:
    """Return request counts and latencies; much cheaper than the report."""
    with read_transaction() as session:
        traffic_counts = counters.list_traffic(session)
        latencies = counters.latency_histograms(session)
        experiment = experiments.get_latest(session)
        stages = [] if experiment is None else experiments.list_stages(session, experiment.id)
        pending_reviews = (
            0 if experiment is None else reviews.queue_size(session, experiment.id).total
        )
    return TrafficSummary(
        served={version: served_count(version, traffic_counts) for version in Version},
        latency_ms={version: _latency_ms(latencies.get(version, {})) for version in Version},
        experiment_traffic=total_traffic(counts_in_stages(stages, traffic_counts)),
        pending_reviews=pending_reviews,
    )


def feedback_totals() -> tuple[FeedbackTotals, Mapping[Version, FeedbackTotals]]:
    """Return the feedback totals of all predictions and of each version."""
    with read_transaction() as session:
        counts = counters.list_feedback(session)
    return _totals(counts), {version: _totals_of_version(counts, version) for version in Version}


def build() -> Report:
    """Build the report; its cost does not grow with the number of predictions."""
    with read_transaction() as session:
        experiment = get_latest_in(session)
        traffic_counts = counters.list_traffic(session)
        feedback_counts = counters.list_feedback(session)
        latencies = counters.latency_histograms(session)
        confidence_counts = (
            [] if experiment is None else counters.list_confidences(session, experiment.id)
        )
    sample = LabeledSample.of(experiment, confidence_counts)
    return Report(
        feedback=_totals(feedback_counts),
        versions={
            version: VersionReport(
                served=served_count(version, traffic_counts),
                feedback=_totals_of_version(feedback_counts, version),
                latency_ms=_latency_ms(latencies.get(version, {})),
                accuracy=sample.accuracy(version),
                confusion=sample.confusion(version),
                calibration=sample.calibration(version),
            )
            for version in Version
        },
        experiment=experiment,
        user_feedback=None
        if experiment is None
        else _user_feedback(feedback_counts, experiment.id),
    )


def _latency_ms(counts: Mapping[int, int]) -> dict[str, float | None]:
    return {"p50": quantile_ms(counts, 0.5), "p99": quantile_ms(counts, 0.99)}


def _totals(counts: Sequence[FeedbackCounts]) -> FeedbackTotals:
    return FeedbackTotals(sum(each.total for each in counts), sum(each.correct for each in counts))


def _totals_of_version(counts: Sequence[FeedbackCounts], version: Version) -> FeedbackTotals:
    return _totals([each for each in counts if each.version == version])


def _user_feedback(counts: Sequence[FeedbackCounts], experiment_id: int) -> UserFeedback:
    totals = {
        version: FeedbackTotals(each.eligible, each.eligible_correct)
        for version in Version
        for each in counts
        if each.experiment_id == experiment_id and each.version == version
    }
    totals = {version: totals.get(version, FeedbackTotals(0, 0)) for version in Version}
    first, second = (_sample_mean(totals[version]) for version in Version)
    if min(first.count, second.count) < MIN_FEEDBACK_COUNT:
        return UserFeedback(totals, Interval(-1.0, 1.0))
    return UserFeedback(totals, mean_difference_confidence_sequence(first, second, ALPHA))


def _sample_mean(totals: FeedbackTotals) -> SampleMean:
    """Return the mean; its variance is smoothed so that a unanimous sample has no zero variance."""
    smoothed = (totals.correct + 1) / (totals.total + 2)
    return SampleMean(
        totals.total, totals.correct / max(totals.total, 1), smoothed * (1 - smoothed)
    )
