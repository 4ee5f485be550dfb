"""The database's part of the metrics: sums of counters, at most a second old."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from app.domain.assignment import Version
from app.services.experiments import evaluation
from app.services.experiments.evaluation import Evaluation
from app.store.engine.db import count_connections, read_transaction
from app.store.queries import counters, experiments, notifications, retrain_jobs, reviews
from app.store.queries.counters import FeedbackCounts
from app.store.queries.reviews import QueueSize

MAX_AGE_S = 1.0


@dataclass(frozen=True)
class MetricsSnapshot:
    """Sums over all processes; `evaluation` is that of the current experiment.

    `feedback` is by version and by whether it rated the prediction correct; feedback that names no
    prediction has the version "".
    """

    served: Mapping[Version, int]
    disagreements: int
    latencies: Mapping[Version, Mapping[int, int]]
    feedback: Mapping[tuple[str, bool], int]
    evaluation: Evaluation | None
    review_queue: QueueSize
    retrain_jobs: Mapping[str, int]
    outbox: int


def collect() -> MetricsSnapshot | None:
    """Sum the counters; returns None if the database does not answer. Needs an app context."""
    try:
        return _collect()
    except SQLAlchemyError:
        return None


class CachedSnapshot:
    """Caches a snapshot, so that frequent scrapes cost at most one set of queries a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: MetricsSnapshot | None = None
        self._collected_at_s = float("-inf")

    def current(self) -> MetricsSnapshot | None:
        """Return a snapshot at most a second old; None if the database does not answer."""
        with self._lock:
            if time.monotonic() - self._collected_at_s > MAX_AGE_S:
                self._snapshot = collect()
                self._collected_at_s = time.monotonic()
            return self._snapshot


def connection_pool() -> Mapping[str, int]:
    """Return the number of this process's database connections by their state."""
    return count_connections()


def _collect() -> MetricsSnapshot:
    with read_transaction() as session:
        experiment = experiments.get_latest(session)
        traffic, feedback = counters.list_traffic(session), counters.list_feedback(session)
        latencies = counters.latency_histograms(session)
        return MetricsSnapshot(
            served={version: evaluation.served_count(version, traffic) for version in Version},
            disagreements=evaluation.total_traffic(traffic).disagreements,
            latencies={version: latencies.get(version, {}) for version in Version},
            feedback=_feedback_totals(feedback),
            evaluation=None if experiment is None else evaluation.evaluate(session, experiment),
            review_queue=reviews.queue_size(session, 0 if experiment is None else experiment.id),
            retrain_jobs=retrain_jobs.count_by_status(session),
            outbox=notifications.outbox_size(session).count,
        )


def _feedback_totals(counts: Sequence[FeedbackCounts]) -> dict[tuple[str, bool], int]:
    totals = {(version, correct): 0 for version in (*Version, "") for correct in (True, False)}
    for each in counts:
        totals[each.version, True] += each.correct
        totals[each.version, False] += each.total - each.correct
    return totals
