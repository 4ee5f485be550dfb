"""The events of the live connection: the database is polled for each topic, and changes are sent.

Polling keeps requests free of this work and also finds what other processes wrote; many changes
between two polls become one event.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from app.api.schemas import serializers
from app.api.schemas.serializers import Json
from app.domain.assignment import Version
from app.services.models import registry
from app.services.notifications import alerts
from app.services.reporting import report
from app.services.reporting.report import TrafficSummary
from app.services.retraining import jobs
from app.services.reviews import recent_labels

ADMINS = "admin"
MAX_ITEMS = 5  # of topics with one event per row: more than are written between two polls
MAX_REVIEW_RESULTS = 50
RATE_WINDOW_S = 5.0


@dataclass(frozen=True)
class Event:
    """A payload, sent to a room whenever it differs from the last one with the same key."""

    key: int
    payload: Json
    room: str = ADMINS


@dataclass(frozen=True)
class Topic:
    """The name of an event, how often it is polled, and the function that reads it."""

    event: str
    every_s: float
    read: Callable[[], Iterable[Event]]


def room_of(user_id: int) -> str:
    """Return the name of the room for one user's own events."""
    return f"user:{user_id}"


class ChangeFeed:
    """Finds what has changed since the last poll."""

    def __init__(self) -> None:
        rates = TrafficRates()
        self._topics = (
            Topic("traffic", 0.5, lambda: [Event(0, _traffic(report.summarize_traffic(), rates))]),
            Topic(
                "feedback",
                0.5,
                lambda: [Event(0, serializers.feedback_summary(report.feedback_totals()))],
            ),
            Topic(
                "experiment",
                1.0,
                lambda: [Event(0, serializers.version_comparison(report.build()))],
            ),
            Topic("retrain", 0.5, _retrains),
            Topic("deployment", 0.5, _deployments),
            Topic("alert", 0.5, _alerts),
            Topic("prediction", 0.5, _predictions),
        )
        self._due_s = dict.fromkeys((topic.event for topic in self._topics), 0.0)
        self._sent: dict[str, dict[int, Event]] = {}

    def reset(self) -> None:
        """Treat the current state as sent: a client reads it over HTTP when it connects."""
        self._due_s = dict.fromkeys(self._due_s, 0.0)
        self._sent = {topic.event: _by_key(topic.read()) for topic in self._topics}

    def resend(self, event: str) -> None:
        """Send an event at the next poll, changed or not."""
        self._due_s[event] = 0.0
        self._sent.pop(event, None)

    def poll(self) -> Iterator[tuple[str, Event]]:
        """Yield each change with the name of its event, oldest first within a topic."""
        for topic in self._topics:
            now_s = time.monotonic()
            if now_s < self._due_s[topic.event]:
                continue
            self._due_s[topic.event] = now_s + topic.every_s
            before = self._sent.get(topic.event, {})
            found = self._sent[topic.event] = _by_key(topic.read())
            yield from (
                (topic.event, found[key]) for key in sorted(found) if before.get(key) != found[key]
            )


class TrafficRates:
    """Predictions per second of each version over the last `RATE_WINDOW_S`."""

    def __init__(self) -> None:
        self._served: deque[tuple[float, Mapping[Version, int]]] = deque()

    def per_second(self, served: Mapping[Version, int]) -> dict[Version, float]:
        """Return the rates, given the total number of predictions served until now."""
        now_s = time.monotonic()
        self._served.append((now_s, served))
        while len(self._served) > 1 and self._served[1][0] <= now_s - RATE_WINDOW_S:
            self._served.popleft()
        since_s, before = self._served[0]
        elapsed_s = max(now_s - since_s, 1.0)
        return {version: (served[version] - before[version]) / elapsed_s for version in Version}


def _traffic(found: TrafficSummary, rates: TrafficRates) -> Json:
    per_second = rates.per_second(found.served)
    return {
        "versions": {
            version: {
                "served": found.served[version],
                "per_second": round(per_second[version], 2),
                "latency_ms": found.latency_ms[version],
            }
            for version in Version
        },
        "requests": found.experiment_traffic.total,
        "disagreements": found.experiment_traffic.disagreements,
        "pending_reviews": found.pending_reviews,
    }


def _retrains() -> list[Event]:
    return [Event(job.id, serializers.job(job)) for job in jobs.list_recent(MAX_ITEMS)]


def _deployments() -> list[Event]:
    return [
        Event(each.id, serializers.deployment(each))
        for each in registry.list_deployments(MAX_ITEMS)
    ]


def _alerts() -> list[Event]:
    return [Event(each.id, serializers.alert(each)) for each in alerts.list_recent(MAX_ITEMS)]


def _predictions() -> list[Event]:
    return [
        Event(each.review_id, serializers.review_result(each), room_of(each.user_id))
        for each in recent_labels.list_recent(MAX_REVIEW_RESULTS)
    ]


def _by_key(items: Iterable[Event]) -> dict[int, Event]:
    return {item.key: item for item in items}
