"""Data retention: erase images and feedback past their retention period, and old logins.

A sweep erases a few rows at a time and pauses in between, because on SQLite nobody else can write
meanwhile. It never begins while the clock cannot be trusted (clock_guard.py).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.services.maintenance.clock_guard import ClockGuard
from app.store.engine import wal_cleanup
from app.store.engine.db import AdvisoryLock, acquire, read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import accounts, alerts, feedback, predictions, retention, reviews
from app.store.queries.retention import ImageCount

KIND = "retention"
STEP_ROWS = 20  # erased in one transaction
MIN_PAUSE_S, PAUSE_RATIO = 0.02, 9  # a pause lasts this many times as long as the step before it
INTERVAL_S = 3600.0
LOGIN_GRACE = timedelta(days=30)  # longer than a wrong clock may go unnoticed (MAX_GAP)
MAX_SHARE, MIN_LARGE_SWEEP = 0.1, 100  # above both, a share and a number of images, it alerts
ALERT_INTERVAL = timedelta(days=1)

_log = logging.getLogger(__name__)


@dataclass
class Erased:
    """What a sweep has erased."""

    images: int = 0
    feedback: int = 0
    logins: int = 0
    owners: set[int] = field(default_factory=set)

    def __str__(self) -> str:
        """Name the counts, for the log and for operators."""
        return (
            f"{self.images:,} images of {len(self.owners):,} users, {self.feedback:,} feedback,"
            f" {self.logins:,} expired logins"
        )


@dataclass(frozen=True)
class Preview:
    """What a sweep would erase; `stored` are all images, `feedback` is on expired ones or none."""

    expired: ImageCount
    stored: ImageCount
    feedback: int
    unlinked_feedback: int
    logins: int


class Retention:
    """Sweeps every hour, if the clock can be trusted; without `days` only for logins."""

    def __init__(self, days: int | None, clock_guard: ClockGuard | None = None) -> None:
        self._days, self._clock_guard = days, clock_guard or ClockGuard(days)
        self._due_at_s = float("-inf")

    def run(self, stop_event: threading.Event) -> None:
        """Check the clock, and sweep if it is time. Needs an application context."""
        clock = self._clock_guard.check()
        if clock.is_trusted and time.monotonic() >= self._due_at_s:
            sweep(self._days, clock.now, stop_event)
            self._due_at_s = time.monotonic() + INTERVAL_S


def preview(days: int, now: datetime) -> Preview:
    """Count what a sweep at this time would erase; erases nothing."""
    oldest_kept = now - timedelta(days=days)
    with read_transaction() as session:
        return Preview(
            expired=retention.count_images(session, oldest_kept),
            stored=retention.count_images(session),
            feedback=retention.count_feedback(session, oldest_kept),
            unlinked_feedback=feedback.count_unlinked(session, oldest_kept),
            logins=accounts.count_expired_logins(session, now - LOGIN_GRACE),
        )


def sweep(
    days: int | None,
    now: datetime,
    stop_event: threading.Event,
    on_step: Callable[[Erased], None] = lambda _: None,
) -> Erased:
    """Erase all that is expired, log how much, and return it; ends early if the process stops.

    Images, owners and feedback are erased, as if their owner had done it. The outputs of the
    versions are kept, since they are counted. Old logins are deleted even without `days`.
    """
    erased, started_at_s = Erased(), time.monotonic()
    resumed_at_s, is_checked = started_at_s, False
    try:
        for _ in _steps(days, now, erased):
            if days is not None and not is_checked and erased.images > MIN_LARGE_SWEEP:
                _alert_if_large(days, now, erased.images)
                is_checked = True
            on_step(erased)
            pause_s = max(MIN_PAUSE_S, PAUSE_RATIO * (time.monotonic() - resumed_at_s))
            if stop_event.wait(pause_s):
                break
            resumed_at_s = time.monotonic()
    finally:
        if erased != Erased():
            wal_cleanup.mark_dirty()
            _log.info("retention: erased %s in %.0f s", erased, time.monotonic() - started_at_s)
    return erased


def _steps(days: int | None, now: datetime, erased: Erased) -> Iterator[None]:
    """Erase a few rows, in a transaction of their own, before each yield."""
    if days is not None:
        oldest_kept = now - timedelta(days=days)
        yield from _erase_images(oldest_kept, erased)
        yield from _erase_unlinked_feedback(oldest_kept, erased)
    yield from _delete_logins(now - LOGIN_GRACE, erased)


def _erase_images(oldest_kept: datetime, erased: Erased) -> Iterator[None]:
    first_owner = 0
    while (step := _erase_step(oldest_kept, first_owner)) is not None:
        first_owner, images, feedback_rows = step
        erased.images += images
        erased.feedback += feedback_rows
        erased.owners.add(first_owner)
        yield


@retried
def _erase_step(oldest_kept: datetime, first_owner: int) -> tuple[int, int, int] | None:
    """Erase some images of one user; return the user and the numbers of images and feedback."""
    with read_transaction() as session:
        owner = retention.find_owner(session, oldest_kept, first_owner)
        if owner is None:
            return None
        ids = predictions.list_oldest_ids(session, owner, STEP_ROWS, oldest_kept)
    with write_transaction() as session:
        accounts.lock_key_share(session, owner)
        # The lock keeps out feedback that would arrive between the two deletions.
        predictions.lock_all(session, owner, ids)
        reviews.withdraw_expired(session, ids)
        feedback_rows = feedback.delete_by_predictions(session, ids)
        return owner, predictions.erase(session, owner, ids), feedback_rows


def _erase_unlinked_feedback(oldest_kept: datetime, erased: Erased) -> Iterator[None]:
    while count := _erase_unlinked_step(oldest_kept):
        erased.feedback += count
        yield


@retried
def _erase_unlinked_step(oldest_kept: datetime) -> int:
    with read_transaction() as session:
        ids = feedback.list_unlinked_ids(session, oldest_kept, STEP_ROWS)
    if not ids:
        return 0
    with write_transaction() as session:
        return feedback.delete_unlinked(session, oldest_kept, ids)


def _delete_logins(before: datetime, erased: Erased) -> Iterator[None]:
    while count := _delete_logins_step(before):
        erased.logins += count
        yield


@retried
def _delete_logins_step(before: datetime) -> int:
    with read_transaction() as session:
        ids = accounts.list_expired_logins(session, before, STEP_ROWS)
    if not ids:
        return 0
    with write_transaction() as session:
        return accounts.delete_logins(session, before, ids)


@retried
def _alert_if_large(days: int, now: datetime, erased_images: int) -> None:
    """Raise an alert if a sweep that has erased so many images is about to erase a large share."""
    with read_transaction() as session:
        stored = retention.count_images(session).images + erased_images
        expired = retention.count_images(session, now - timedelta(days=days)).images + erased_images
    if expired <= MAX_SHARE * stored:
        return
    message = (
        f"{expired:,} of {stored:,} images are older than {days} days and are being erased. If that"
        " is a mistake, stop the server and check RETENTION_DAYS and the clock; only a backup still"
        " has what is erased"
    )
    with write_transaction() as session:
        acquire(session, AdvisoryLock.ALERTS)
        if not alerts.exists_since(session, KIND, now - ALERT_INTERVAL):
            alerts.add(session, KIND, message)
    _log.warning("%s", message)
