"""What one process counts of the requests that it answers; the rest of /metrics is read from rows.

Each application has a registry of its own. No label grows with what clients send.
"""

from collections.abc import Callable

from flask import Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

UNMATCHED = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class RequestMetrics:
    """A registry, and the counters of requests in it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._answered = Counter(
            "cifra_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "cifra_http_request_duration_seconds",
            "From the first look at a request to its answer.",
            ("method", "route"),
            buckets=_BOUNDS_S,
            registry=self.registry,
        )

    def count(self, method: str, route: str | None, status: int, duration_s: float) -> None:
        """Count an answer, under its route as it was written down, never under its path."""
        key = method, route or UNMATCHED, status
        found = self._known.get(key)
        if found is None:
            counter = self._answered.labels(*key[:2], str(status))
            found = self._known[key] = counter, self._duration.labels(*key[:2])
        found[0].inc()
        found[1].observe(duration_s)

    def watch(self, name: str, documentation: str, look: Callable[[], float]) -> None:
        """Have something looked up at each scrape."""
        Gauge(name, documentation, registry=self.registry).set_function(look)


def method_label(request: Request) -> str:
    """The request's method, if it is one that there is."""
    return request.method if request.method in METHODS else "other"


def route_label(request: Request) -> str | None:
    """The rule that a request matched; None where there is nothing at its address."""
    return None if request.url_rule is None else request.url_rule.rule
