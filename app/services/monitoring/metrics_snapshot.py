"""What operators watch of the rows: added up from counters, at most once a second."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from app.domain.assignment import Version
from app.services.experiments import evaluation
from app.services.experiments.evaluation import Assessment
from app.store.engine.db import connections, reading
from app.store.queries import counters, experiments, notifications, retrain_jobs, reviews
from app.store.queries.counters import Spoken
from app.store.queries.reviews import Waiting

FRESH_S = 1.0


@dataclass(frozen=True)
class Vitals:
    """Sums over all processes; `assessment` is that of the current experiment.

    `words` are by version and by whether they call the answer right; of no version are those that
    name no prediction.
    """

    served: Mapping[Version, int]
    disagreements: int
    latencies: Mapping[Version, Mapping[int, int]]
    words: Mapping[tuple[str, bool], int]
    assessment: Assessment | None
    waiting: Waiting
    jobs: Mapping[str, int]
    outbox: int


def take() -> Vitals | None:
    """Add the counters up; None where the database does not answer. Needs an app context."""
    try:
        return _take()
    except SQLAlchemyError:
        return None


class Pulse:
    """The vitals as this process took them last; whoever asks meanwhile is told the same."""

    def __init__(self) -> None:
        self._taking = threading.Lock()
        self._taken: Vitals | None = None
        self._taken_at_s = float("-inf")

    def current(self) -> Vitals | None:
        """The vitals, not older than a second; None where the database does not answer."""
        with self._taking:
            if time.monotonic() - self._taken_at_s > FRESH_S:
                self._taken = take()
                self._taken_at_s = time.monotonic()
            return self._taken


def pool() -> Mapping[str, int]:
    """The connections of this process by their state."""
    return connections()


def _take() -> Vitals:
    with reading() as session:
        experiment = experiments.newest(session)
        drawn, spoken = counters.drawn(session), counters.spoken(session)
        latencies = counters.latencies(session)
        return Vitals(
            served={version: evaluation.served_by(version, drawn) for version in Version},
            disagreements=evaluation.traffic_of(drawn).disagreements,
            latencies={version: latencies.get(version, {}) for version in Version},
            words=_words(spoken),
            assessment=None if experiment is None else evaluation.assess(session, experiment),
            waiting=reviews.waiting(session, 0 if experiment is None else experiment.id),
            jobs=retrain_jobs.count_by_status(session),
            outbox=notifications.waiting(session).count,
        )


def _words(spoken: Sequence[Spoken]) -> dict[tuple[str, bool], int]:
    words = {(version, is_right): 0 for version in (*Version, "") for is_right in (True, False)}
    for each in spoken:
        words[each.version, True] += each.correct
        words[each.version, False] += each.words - each.correct
    return words
