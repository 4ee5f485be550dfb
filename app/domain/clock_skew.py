"""Times that were stored while a clock was ahead: they must hold nothing up once it is right."""

from datetime import datetime, timedelta

MAX_CLOCK_SKEW = timedelta(minutes=5)  # between the machines of a deployment


def is_pending(until: datetime | None, now: datetime, longest: timedelta) -> bool:
    """Return whether a lease or pause of at most `longest`, which ends at `until`, is running.

    One that ends later than that was stored while the clock was ahead, so it is over.
    """
    return until is not None and now < until <= latest_end(now, longest)


def latest_end(now: datetime, longest: timedelta) -> datetime:
    """Return when a lease or pause of at most `longest` that is running now must have ended."""
    return now + longest + MAX_CLOCK_SKEW
