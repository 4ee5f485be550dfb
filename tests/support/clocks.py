"""Clocks that are wrong."""

from datetime import datetime, timedelta, tzinfo
from typing import Self


def clock_ahead(by: timedelta) -> type[datetime]:
    """Return a `datetime` whose clock is ahead, to patch into a module."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + by

    return Ahead
