"""The report: what people said of the answers, and which version is better; read from counters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.assignment import Version
from app.domain.intervals import Interval, SampleMean, mean_difference_confidence_sequence
from app.domain.latency_histogram import quantile_ms
from app.domain.verdicts import ALPHA, Estimate
from app.domain.verdicts import Traffic as Compared
from app.services.experiments.evaluation import counts_in_stages, served_count, total_traffic
from app.services.experiments.lifecycle import ExperimentSummary, get_latest_in
from app.services.reporting.version_metrics import CalibrationBin, LabeledSample
from app.store.engine.db import read_transaction
from app.store.queries import counters, experiments, reviews
from app.store.queries.counters import FeedbackCounts

MIN_FEEDBACK_COUNT = 30  # of each version; the sequence holds for many words, not for a few


@dataclass(frozen=True)
class FeedbackTotals:
    """How many words there are, and how many of them call the answer right."""

    total: int
    correct: int


@dataclass(frozen=True)
class VersionReport:
    """What is known of a version; labels are those of the current experiment.

    `confusion` holds estimated requests: rows by what the picture shows, the ten digits and then
    "no digit", columns by what the version named.
    """

    served: int
    feedback: FeedbackTotals
    latency_ms: Mapping[str, float | None]
    accuracy: Estimate
    confusion: Sequence[Sequence[float]]
    calibration: Sequence[CalibrationBin]


@dataclass(frozen=True)
class UserFeedback:
    """What users volunteered on served answers; neither blind nor asked for, so no verdict."""

    feedback: Mapping[Version, FeedbackTotals]
    difference: Interval


@dataclass(frozen=True)
class Report:
    """Everything that an admin sees at a glance."""

    feedback: FeedbackTotals
    versions: Mapping[Version, VersionReport]
    experiment: ExperimentSummary | None
    user_feedback: UserFeedback | None


@dataclass(frozen=True)
class TrafficSummary:
    """What is served, in all and in the current experiment, and what waits for a reviewer."""

    served: Mapping[Version, int]
    latency_ms: Mapping[Version, Mapping[str, float | None]]
    experiment_traffic: Compared
    pending_reviews: int


def summarize_traffic() -> TrafficSummary:
    """How much is served, and how fast; far cheaper than the report."""
    with read_transaction() as session:
        drawn, latencies = counters.list_traffic(session), counters.latency_histograms(session)
        experiment = experiments.get_latest(session)
        stages = [] if experiment is None else experiments.list_stages(session, experiment.id)
        waiting = 0 if experiment is None else reviews.queue_size(session, experiment.id).total
    return TrafficSummary(
        served={version: served_count(version, drawn) for version in Version},
        latency_ms={version: _latency_ms(latencies.get(version, {})) for version in Version},
        experiment_traffic=total_traffic(counts_in_stages(stages, drawn)),
        pending_reviews=waiting,
    )


def feedback_totals() -> tuple[FeedbackTotals, Mapping[Version, FeedbackTotals]]:
    """What users said, of all answers and of each version's."""
    with read_transaction() as session:
        found = counters.list_feedback(session)
    return _totals(found), {version: _totals_of_version(found, version) for version in Version}


def build() -> Report:
    """Add the counters up; the cost does not grow with the rows behind them."""
    with read_transaction() as session:
        experiment = get_latest_in(session)
        drawn, words = counters.list_traffic(session), counters.list_feedback(session)
        latencies = counters.latency_histograms(session)
        confidence_counts = (
            [] if experiment is None else counters.sureness(session, experiment.id)
        )
    labelled = LabeledSample.of(experiment, confidence_counts)
    return Report(
        feedback=_totals(words),
        versions={
            version: VersionReport(
                served=served_count(version, drawn),
                feedback=_totals_of_version(words, version),
                latency_ms=_latency_ms(latencies.get(version, {})),
                accuracy=labelled.accuracy(version),
                confusion=labelled.confusion(version),
                calibration=labelled.calibration(version),
            )
            for version in Version
        },
        experiment=experiment,
        user_feedback=None if experiment is None else _user_feedback(words, experiment.id),
    )


def _latency_ms(counts: Mapping[int, int]) -> dict[str, float | None]:
    return {"p50": quantile_ms(counts, 0.5), "p99": quantile_ms(counts, 0.99)}


def _totals(counts: Sequence[FeedbackCounts]) -> FeedbackTotals:
    return FeedbackTotals(sum(each.total for each in counts), sum(each.correct for each in counts))


def _totals_of_version(counts: Sequence[FeedbackCounts], version: Version) -> FeedbackTotals:
    return _totals([each for each in counts if each.version == version])


def _user_feedback(counts: Sequence[FeedbackCounts], experiment_id: int) -> UserFeedback:
    words = {
        version: FeedbackTotals(each.eligible, each.eligible_correct)
        for version in Version
        for each in counts
        if each.experiment_id == experiment_id and each.version == version
    }
    words = {version: words.get(version, FeedbackTotals(0, 0)) for version in Version}
    first, second = (_sample_mean(words[version]) for version in Version)
    if min(first.count, second.count) < MIN_FEEDBACK_COUNT:
        return UserFeedback(words, Interval(-1.0, 1.0))
    return UserFeedback(words, mean_difference_confidence_sequence(first, second, ALPHA))


def _sample_mean(words: FeedbackTotals) -> SampleMean:
    """Their mean, with a variance that a few words of one kind do not make nil."""
    likely = (words.correct + 1) / (words.total + 2)
    return SampleMean(words.total, words.correct / max(words.total, 1), likely * (1 - likely))
