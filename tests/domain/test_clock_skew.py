"""A lease or pause that was stored while the clock was ahead holds nothing up."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.clock_skew import is_pending

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("until", "pending"),
    [
        (None, False),
        (NOW - HOUR, False),
        (NOW, False),
        (NOW + timedelta(seconds=1), True),
        (NOW + HOUR, True),
        (NOW + HOUR + timedelta(minutes=5), True),
        (NOW + HOUR + timedelta(minutes=6), False),
        (NOW + timedelta(days=400), False),
    ],
)
def test_it_is_pending_until_its_end_and_no_longer_than_it_can_last(
    until: datetime | None, *, pending: bool
) -> None:
    assert is_pending(until, NOW, HOUR) is pending
