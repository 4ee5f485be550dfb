"""Tells admins when limits are no longer counted once for all processes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.store.engine.db import Turn, take_turn, writing
from app.store.queries import alerts

KIND = "rate limits"
MESSAGE = "Redis does not answer: each process counts limits for itself"
ONCE_IN = timedelta(hours=1)


class LimitsWatch:
    """Looks whether this process counts alone; one process tells of an outage, once an hour."""

    def __init__(self, counts_alone: Callable[[], bool]) -> None:
        self._counts_alone = counts_alone
        self._counted_alone = False

    def look(self) -> None:
        """Raise an alert where an outage has begun. Needs an application context."""
        counts_alone = self._counts_alone()
        if counts_alone and not self._counted_alone:
            with writing() as session:
                take_turn(session, Turn.ALERTS)
                if not alerts.told_since(session, KIND, datetime.now(UTC) - ONCE_IN):
                    alerts.add(session, KIND, MESSAGE)
        self._counted_alone = counts_alone
