"""Metrics of the requests of one process; the rest of /metrics is read from the database.

Each application has its own registry. No label takes values that clients choose, so the number of
time series is bounded.
"""

from collections.abc import Callable

from flask import Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

UNMATCHED = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class RequestMetrics:
    """A registry with the request counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._requests = Counter(
            "cifra_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "cifra_http_request_duration_seconds",
            "From receiving a request to its response.",
            ("method", "route"),
            buckets=_BOUNDS_S,
            registry=self.registry,
        )

    def record(self, method: str, route: str | None, status: int, duration_s: float) -> None:
        """Count a response under its route's rule, never under its path.

        The labeled children are cached: looking them up takes longer than counting.
        """
        key = method, route or UNMATCHED, status
        children = self._children.get(key)
        if children is None:
            counter = self._requests.labels(*key[:2], str(status))
            children = self._children[key] = counter, self._duration.labels(*key[:2])
        children[0].inc()
        children[1].observe(duration_s)

    def add_gauge(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Add a gauge whose value is read at each scrape."""
        Gauge(name, documentation, registry=self.registry).set_function(read)


def method_label(request: Request) -> str:
    """Return the request's method, or `other` if it is not a standard one."""
    return request.method if request.method in METHODS else "other"


def route_label(request: Request) -> str | None:
    """Return the rule that a request matched; None if it matched none."""
    return None if request.url_rule is None else request.url_rule.rule
