"""Privacy by age: pictures and words that are too old are erased, a few at a time."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.store.engine import wal_cleanup
from app.store.engine.db import read_transaction, write_transaction
from app.store.queries import accounts, feedback, predictions, reviews

BATCH_SIZE = 100  # predictions, in one transaction
INTERVAL_S = 60.0


class Retention:
    """Erases what is older than `days`, and what SQLite's log still has of all that was erased."""

    def __init__(self, days: int | None, database: Path | None) -> None:
        self._days, self._database = days, database
        self._due_at_s = float("-inf")

    def run(self) -> None:
        """Do a piece of it, if it is time. Needs an application context."""
        if self._days is not None and time.monotonic() >= self._due_at_s:
            is_more = erase_expired(datetime.now(UTC) - timedelta(days=self._days))
            self._due_at_s = float("-inf") if is_more else time.monotonic() + INTERVAL_S
        if self._database is not None:
            wal_cleanup.clean_log(self._database)


def erase_expired(oldest_kept: datetime) -> bool:
    """Erase some of what is from before a moment, as its owner could; tells whether more may be.

    Images, owners and words go; what the versions answered stays, for it was counted.
    """
    with read_transaction() as session:
        found = predictions.older_than(session, oldest_kept, BATCH_SIZE)
    if found is None:
        with write_transaction() as session:
            count = feedback.erase_loose(session, oldest_kept)
        if count:
            wal_cleanup.note()
        return False
    owner, old = found
    with write_transaction() as session:
        accounts.hold(session, owner)
        for prediction_id in old:
            predictions.lock(session, owner, prediction_id)  # no word comes in between
            feedback.erase_on(session, prediction_id)
            reviews.expire(session, prediction_id)
            predictions.erase(session, owner, prediction_id)
    wal_cleanup.note()
    return True
