"""Metrics for Prometheus: unauthenticated, never rate-limited, and without personal data."""

import platform
from collections.abc import Iterator, Mapping
from math import inf

from flask import Blueprint, Response, request
from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from app.api.http.container import container
from app.api.http.contract import responds
from app.api.http.rate_limits import is_using_fallback, limiter
from app.domain.latency_histogram import cumulative_counts, total_s
from app.domain.verdicts import Outcome
from app.services.experiments.evaluation import Evaluation
from app.services.monitoring.metrics_snapshot import (
    CachedSnapshot,
    MetricsSnapshot,
    connection_pool,
)
from app.version import VERSION

blueprint = Blueprint("metrics", __name__)
limiter.exempt(blueprint)


@blueprint.get("/metrics")
@responds(also=("text/plain", "application/openmetrics-text"))
def metrics() -> Response:
    """Get metrics in the Prometheus text format, or in OpenMetrics if requested via `Accept`."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(container().request_metrics.registry), content_type=content_type)


class DatabaseCollector(Collector):
    """Collects metrics at each scrape: of this process, and of the database that all share."""

    def __init__(self) -> None:
        self._cache = CachedSnapshot()

    def collect(self) -> Iterator[Metric]:
        """Collect all metrics; needs an application context."""
        snapshot = self._cache.current()
        yield InfoMetricFamily(
            "cifra_build",
            "Version of Cifra and of Python.",
            {"version": VERSION, "python": platform.python_version()},
        )
        yield from _process_metrics()
        yield _gauge("cifra_database_up", "Whether the database answers.", snapshot is not None)
        if snapshot is not None:
            yield from _row_metrics(snapshot)
            yield from _experiment_metrics(snapshot.evaluation)


def _process_metrics() -> Iterator[Metric]:
    models = InfoMetricFamily("cifra_model", "Models that this process serves.", labels=["version"])
    for version, model in container().inference.serving.items():
        models.add_metric([version], {"model": model.name, "sha256": model.sha256})
    yield models
    yield _labeled_gauge(
        "cifra_database_connections",
        "Database connections of this process.",
        "state",
        connection_pool(),
    )
    yield _gauge(
        "cifra_ratelimit_fallback_in_use",
        "Whether rate limits are counted in this process because Redis does not answer.",
        is_using_fallback(),
    )


def _row_metrics(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    served = CounterMetricFamily(
        "cifra_predictions", "Predictions by the version that answered.", labels=["version"]
    )
    latency = HistogramMetricFamily(
        "cifra_prediction_duration_seconds",
        "Time from the image's bytes to the digit; the sum is estimated from the buckets.",
        labels=["version"],
    )
    for version, count in snapshot.served.items():
        served.add_metric([version], count)
        latency.add_metric([version], *_histogram(snapshot.latencies[version]))
    yield from (served, latency)
    disagreements = CounterMetricFamily(
        "cifra_disagreements", "A/B predictions on which the versions predicted different digits."
    )
    disagreements.add_metric([], snapshot.disagreements)
    yield disagreements
    feedback = GaugeMetricFamily(
        "cifra_feedback", "User feedback on predictions.", labels=["version", "correct"]
    )
    for (answered_by, is_correct), count in snapshot.feedback.items():
        feedback.add_metric([answered_by or "none", str(is_correct).lower()], count)
    yield feedback
    yield _labeled_gauge(
        "cifra_retrain_jobs", "Retrain jobs by status.", "status", snapshot.retrain_jobs
    )
    yield _gauge("cifra_outbox_pending", "Notifications waiting to be mailed.", snapshot.outbox)
    queue_size = snapshot.review_queue
    yield _labeled_gauge(
        "cifra_review_queue",
        "Images waiting for review.",
        "queue",
        {
            "disagreement": queue_size.disagreements,
            "audit": queue_size.audits,
            "user_flagged": queue_size.user_flagged,
        },
    )


def _experiment_metrics(evaluation: Evaluation | None) -> Iterator[Metric]:
    """Yield metrics of the current experiment; none if there has never been one."""
    if evaluation is None:
        return
    outcome = evaluation.verdict.outcome
    yield _gauge(
        "cifra_experiment_e_value",
        "Evidence against equal versions; the winner is named at 20 or more.",
        evaluation.verdict.e_value,
    )
    yield _labeled_gauge(
        "cifra_experiment_verdict",
        "1 for the current verdict, 0 for the others.",
        "verdict",
        {str(each): int(each is outcome) for each in Outcome},
    )
    yield _labeled_gauge(
        "cifra_experiment_labels",
        "Reviewers' labels; kinds overlap.",
        "kind",
        evaluation.labels_used,
    )
    yield _gauge(
        "cifra_experiment_requests", "A/B requests of the experiment.", evaluation.traffic.total
    )


def _histogram(counts: Mapping[int, int]) -> tuple[list[tuple[str, float]], float]:
    buckets = [
        ("+Inf" if bound_s == inf else repr(bound_s), float(count))
        for bound_s, count in cumulative_counts(counts)
    ]
    return buckets, total_s(counts)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value)


def _labeled_gauge(
    name: str, documentation: str, label: str, values: Mapping[str, float]
) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
