"""What operators watch of the rows: added up from counters, at most once a second."""

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
from app.store.queries.counters import FeedbackTotals
from app.store.queries.reviews import QueueSize

MAX_AGE_S = 1.0


@dataclass(frozen=True)
class MetricsSnapshot:
    """Sums over all processes; `assessment` is that of the current experiment.

    `words` are by version and by whether they call the answer right; of no version are those that
    name no prediction.
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
    """Add the counters up; None where the database does not answer. Needs an app context."""
    try:
        return _collect()
    except SQLAlchemyError:
        return None


class CachedSnapshot:
    """The vitals as this process took them last; whoever asks meanwhile is told the same."""

    def __init__(self) -> None:
        self._taking = threading.Lock()
        self._taken: MetricsSnapshot | None = None
        self._taken_at_s = float("-inf")

    def current(self) -> MetricsSnapshot | None:
        """The vitals, not older than a second; None where the database does not answer."""
        with self._taking:
            if time.monotonic() - self._taken_at_s > MAX_AGE_S:
                self._taken = collect()
                self._taken_at_s = time.monotonic()
            return self._taken


def connection_pool() -> Mapping[str, int]:
    """The connections of this process by their state."""
    return count_connections()


def _collect() -> MetricsSnapshot:
    with read_transaction() as session:
        experiment = experiments.get_latest(session)
        drawn, spoken = counters.list_traffic(session), counters.list_feedback(session)
        latencies = counters.latency_histograms(session)
        return MetricsSnapshot(
            served={version: evaluation.served_count(version, drawn) for version in Version},
            disagreements=evaluation.total_traffic(drawn).disagreements,
            latencies={version: latencies.get(version, {}) for version in Version},
            feedback=_words(spoken),
            evaluation=None if experiment is None else evaluation.evaluate(session, experiment),
            review_queue=reviews.queue_size(session, 0 if experiment is None else experiment.id),
            retrain_jobs=retrain_jobs.count_by_status(session),
            outbox=notifications.outbox_size(session).count,
        )


def _words(spoken: Sequence[FeedbackTotals]) -> dict[tuple[str, bool], int]:
    words = {(version, is_right): 0 for version in (*Version, "") for is_right in (True, False)}
    for each in spoken:
        words[each.version, True] += each.correct
        words[each.version, False] += each.total - each.correct
    return words
