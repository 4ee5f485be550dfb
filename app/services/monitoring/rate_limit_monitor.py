"""Alert admins when rate limits are no longer shared by all processes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.store.engine.db import AdvisoryLock, acquire, write_transaction
from app.store.engine.retries import retried
from app.store.queries import alerts

KIND = "rate limits"
MESSAGE = "Redis unavailable: each process counts rate limits on its own"
ALERT_INTERVAL = timedelta(hours=1)


class RateLimitMonitor:
    """Checks whether this process uses the fallback; raises one alert an hour for all processes."""

    def __init__(self, is_using_fallback: Callable[[], bool]) -> None:
        self._is_using_fallback = is_using_fallback
        self._was_using_fallback = False

    @retried
    def check(self) -> None:
        """Raise an alert if an outage has begun. Needs an application context."""
        is_using_fallback = self._is_using_fallback()
        if is_using_fallback and not self._was_using_fallback:
            with write_transaction() as session:
                acquire(session, AdvisoryLock.ALERTS)
                if not alerts.exists_since(session, KIND, datetime.now(UTC) - ALERT_INTERVAL):
                    alerts.add(session, KIND, MESSAGE)
        self._was_using_fallback = is_using_fallback
