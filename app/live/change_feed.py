"""What dashboards are told: each topic is read from rows, and sent where it is not as it was.

Reading rows, and not being told by whoever wrote them, keeps requests free of it and hears what
other processes did; many changes between two looks are one event.
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
MAX_ITEMS = 5  # of what is told one by one: more than happen between two looks
MAX_REVIEW_RESULTS = 50
RATE_WINDOW_S = 5.0


@dataclass(frozen=True)
class Event:
    """Something that is told whenever it is not as it was, and in which room."""

    key: int
    told: Json
    room: str = ADMINS


@dataclass(frozen=True)
class Topic:
    """An event's name, how often it is looked at, and what reads its items."""

    event: str
    every_s: float
    read: Callable[[], Iterable[Event]]


def room_of(user_id: int) -> str:
    """The room of one user's own events."""
    return f"user:{user_id}"


class ChangeFeed:
    """What has changed since the last look."""

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
        self._seen: dict[str, dict[int, Event]] = {}

    def forget(self) -> None:
        """Take what is there now for what is known: whoever connects reads it over HTTP."""
        self._due_s = dict.fromkeys(self._due_s, 0.0)
        self._seen = {topic.event: _by_key(topic.read()) for topic in self._topics}

    def repeat(self, event: str) -> None:
        """Tell an event at the next look, changed or not."""
        self._due_s[event] = 0.0
        self._seen.pop(event, None)

    def since(self) -> Iterator[tuple[str, Event]]:
        """What has changed, with its event's name, the oldest of each first."""
        for topic in self._topics:
            now_s = time.monotonic()
            if now_s < self._due_s[topic.event]:
                continue
            self._due_s[topic.event] = now_s + topic.every_s
            before = self._seen.get(topic.event, {})
            found = self._seen[topic.event] = _by_key(topic.read())
            yield from (
                (topic.event, found[key]) for key in sorted(found) if before.get(key) != found[key]
            )


class TrafficRates:
    """How many answers a second each version gave over the last seconds."""

    def __init__(self) -> None:
        self._served: deque[tuple[float, Mapping[Version, int]]] = deque()

    def per_second(self, served: Mapping[Version, int]) -> dict[Version, float]:
        """The rates, now that so many were served in all."""
        now_s = time.monotonic()
        self._served.append((now_s, served))
        while len(self._served) > 1 and self._served[1][0] <= now_s - RATE_WINDOW_S:
            self._served.popleft()
        since_s, before = self._served[0]
        lasted_s = max(now_s - since_s, 1.0)
        return {version: (served[version] - before[version]) / lasted_s for version in Version}


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
