"""Tells admins when limits are no longer counted once for all processes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.store.engine.db import AdvisoryLock, acquire, write_transaction
from app.store.queries import alerts

KIND = "rate limits"
MESSAGE = "Redis does not answer: each process counts limits for itself"
ALERT_INTERVAL = timedelta(hours=1)


class RateLimitMonitor:
    """Looks whether this process counts alone; one process tells of an outage, once an hour."""

    def __init__(self, is_using_fallback: Callable[[], bool]) -> None:
        self._counts_alone = is_using_fallback
        self._counted_alone = False

    def check(self) -> None:
        """Raise an alert where an outage has begun. Needs an application context."""
        is_using_fallback = self._counts_alone()
        if is_using_fallback and not self._counted_alone:
            with write_transaction() as session:
                acquire(session, AdvisoryLock.ALERTS)
                if not alerts.told_since(session, KIND, datetime.now(UTC) - ALERT_INTERVAL):
                    alerts.add(session, KIND, MESSAGE)
        self._counted_alone = is_using_fallback
