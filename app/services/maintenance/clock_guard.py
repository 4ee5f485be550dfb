"""Guard against a wrong clock: nothing is erased by age unless the clock can be trusted.

A clock that jumps ahead makes everything look old, so one start with it would erase every image.
Servers record their time in the database. A clock that differs too much from the record, or that
jumps while a server runs, is trusted again after CONFIRMATION: enough time for an admin to read the
alert. Nothing else tells a wrong clock from a server that was switched off for months; that one
erases a few days later than it might, and nobody has to do anything.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.store.engine.db import AdvisoryLock, acquire, read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import alerts, clock
from app.store.tables import ClockRecord

KIND = "clock"
CONFIRMATION = timedelta(days=3)  # longer than a weekend
MAX_JUMP = timedelta(hours=1)  # back, or against the time that has passed since the last check
MAX_GAP = timedelta(days=7)  # since a server last ran
MAX_GAP_SHARE = 0.1  # of the retention period, if that is less

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # also counts while suspended
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClockStatus:
    """The time by the clock, and until when it is not trusted."""

    now: datetime
    untrusted_until: datetime | None = None

    @property
    def is_trusted(self) -> bool:
        """Whether data may be erased by its age at this time."""
        return self.untrusted_until is None or self.now >= self.untrusted_until


class ClockGuard:
    """Compares this process's clock with the recorded time, and with the time that passes.

    `now` is the clock; `elapsed_s` are seconds that setting the clock does not change.
    """

    def __init__(
        self,
        retention_days: int | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed_s: Callable[[], float] = lambda: time.clock_gettime(_BOOT_CLOCK),
    ) -> None:
        self._max_gap = _max_gap(retention_days)
        self._now, self._elapsed_s = now, elapsed_s
        self._last: tuple[datetime, float] | None = None

    @retried
    def check(self) -> ClockStatus:
        """Record the time; raise an alert, and log a line, if the clock cannot be trusted.

        Needs an application context.
        """
        now, elapsed_s = self._now(), self._elapsed_s()
        message = None
        with write_transaction() as session:
            record = clock.lock_for_update(session, now)
            fault = self._find_fault(record, now, elapsed_s)
            if fault is not None:
                record.untrusted_until = until = now + CONFIRMATION
                message = _message(fault, until)
                acquire(session, AdvisoryLock.ALERTS)
                alerts.add(session, KIND, message)
            record.seen_at = now
        self._last = now, elapsed_s
        if message is not None:
            _log.warning("%s", message)
        return ClockStatus(now, record.untrusted_until)

    def _find_fault(self, record: ClockRecord, now: datetime, elapsed_s: float) -> str | None:
        """Say what is wrong with the clock; None if nothing is, or another process has said it."""
        if self._last is None or _is_reported(record, now):
            return _find_gap(record, now, self._max_gap)
        last, last_elapsed_s = self._last
        jump = now - last - timedelta(seconds=elapsed_s - last_elapsed_s)
        if abs(jump) <= MAX_JUMP:
            return None
        return f"The clock jumped to {_utc(now)}, {_days(jump)} the time that it should show"


def preview(retention_days: int | None) -> ClockStatus:
    """Return what a server that started now would find; records and reports nothing."""
    now = datetime.now(UTC)
    with read_transaction() as session:
        record = clock.get(session)
    if record is None:
        return ClockStatus(now)
    is_strange = _find_gap(record, now, _max_gap(retention_days)) is not None
    return ClockStatus(now, now + CONFIRMATION if is_strange else record.untrusted_until)


@retried
def confirm() -> None:
    """Trust the clock as it is, because an admin says that it is right."""
    now = datetime.now(UTC)
    with write_transaction() as session:
        record = clock.lock_for_update(session, now)
        record.seen_at, record.untrusted_until = now, None


def _max_gap(retention_days: int | None) -> timedelta:
    if retention_days is None:
        return MAX_GAP
    return min(MAX_GAP, timedelta(days=retention_days) * MAX_GAP_SHARE)


def _is_reported(record: ClockRecord, now: datetime) -> bool:
    """Return whether another process has reported this clock, and it has not changed since."""
    status = ClockStatus(now, record.untrusted_until)
    return not status.is_trusted and abs(now - record.seen_at) <= MAX_JUMP


def _find_gap(record: ClockRecord, now: datetime, max_gap: timedelta) -> str | None:
    """Say how far the clock is from the time of the last run, if that is too far."""
    gap = now - record.seen_at
    if -MAX_JUMP <= gap <= max_gap or _is_reported(record, now):
        return None
    return f"The clock says {_utc(now)}, {_days(gap)} Cifra last ran"


def _message(fault: str, untrusted_until: datetime) -> str:
    return (
        f"{fault}. Nothing is erased by age until {_utc(untrusted_until)}. If the clock is wrong,"
        " set it before then; if it is right, wait, or run"
        " `flask --app wsgi retention --confirm`"
    )


def _days(difference: timedelta) -> str:
    hours = abs(difference) / timedelta(hours=1)
    amount = f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"
    return f"{amount} {'after' if difference > timedelta() else 'before'}"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
