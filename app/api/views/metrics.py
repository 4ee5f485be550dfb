"""What Prometheus scrapes: no login, no limit, and no image, name or text of anybody."""

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
    """Everything that is measured, in the format that the scraper asks for."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(container().request_metrics.registry), content_type=content_type)


class DatabaseCollector(Collector):
    """What is looked up at each scrape: of this process, and of the rows all processes share."""

    def __init__(self) -> None:
        self._pulse = CachedSnapshot()

    def collect(self) -> Iterator[Metric]:
        """Look everything up; needs an application context."""
        vitals = self._pulse.current()
        yield InfoMetricFamily(
            "cifra_build",
            "Which Cifra runs, on which Python.",
            {"version": VERSION, "python": platform.python_version()},
        )
        yield from _process_metrics()
        yield _gauge("cifra_database_up", "Whether the database answers.", vitals is not None)
        if vitals is not None:
            yield from _row_metrics(vitals)
            yield from _experiment_metrics(vitals.evaluation)


def _process_metrics() -> Iterator[Metric]:
    models = InfoMetricFamily(
        "cifra_model", "The models that this process serves.", labels=["version"]
    )
    for version, model in container().inference.serving.items():
        models.add_metric([version], {"model": model.name, "sha256": model.sha256})
    yield models
    yield _labeled_gauge(
        "cifra_database_connections", "Connections of this process.", "state", connection_pool()
    )
    yield _gauge(
        "cifra_ratelimit_fallback_in_use",
        "Whether limits are counted in this process because their storage does not answer.",
        is_using_fallback(),
    )


def _row_metrics(vitals: MetricsSnapshot) -> Iterator[Metric]:
    served = CounterMetricFamily(
        "cifra_predictions", "Predictions that a version answered.", labels=["version"]
    )
    latency = HistogramMetricFamily(
        "cifra_prediction_duration_seconds",
        "From the picture's bytes to the digit; the sum is worked out from the buckets.",
        labels=["version"],
    )
    for version, count in vitals.served.items():
        served.add_metric([version], count)
        latency.add_metric([version], *_histogram(vitals.latencies[version]))
    yield from (served, latency)
    disagreements = CounterMetricFamily(
        "cifra_disagreements", "A/B predictions on which the versions named different digits."
    )
    disagreements.add_metric([], vitals.disagreements)
    yield disagreements
    words = GaugeMetricFamily(
        "cifra_feedback", "Users' feedback on predictions.", labels=["version", "correct"]
    )
    for (of_version, is_correct), count in vitals.feedback.items():
        words.add_metric([of_version or "none", str(is_correct).lower()], count)
    yield words
    yield _labeled_gauge(
        *("cifra_retrain_jobs", "Retrains by what became of them.", "status"), vitals.retrain_jobs
    )
    yield _gauge("cifra_outbox_pending", "Notifications that wait to be mailed.", vitals.outbox)
    waiting = vitals.review_queue
    yield _labeled_gauge(
        *("cifra_review_queue", "Pictures that wait for a reviewer.", "queue"),
        {
            "disagreement": waiting.disagreements,
            "audit": waiting.audits,
            "user_flagged": waiting.user_flagged,
        },
    )


def _experiment_metrics(evaluation: Evaluation | None) -> Iterator[Metric]:
    """Of the current experiment; where there has never been one, nothing."""
    if evaluation is None:
        return
    outcome = evaluation.verdict.outcome
    yield _gauge(
        "cifra_experiment_e_value",
        "Evidence against equal versions; 20 or more names a winner.",
        evaluation.verdict.e_value,
    )
    yield _labeled_gauge(
        *("cifra_experiment_verdict", "1 for what the experiment has come to.", "verdict"),
        {str(each): int(each is outcome) for each in Outcome},
    )
    yield _labeled_gauge(
        *("cifra_experiment_labels", "Reviewers' labels; kinds overlap.", "kind"),
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
