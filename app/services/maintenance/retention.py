"""Data retention: erase images and feedback past their retention period, in small batches."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.store.engine import wal_cleanup
from app.store.engine.db import read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import accounts, feedback, predictions, reviews

BATCH_SIZE = 100  # predictions, in one transaction
INTERVAL_S = 60.0


class Retention:
    """Erases data older than `days`, and what SQLite's write-ahead log has of any erased data."""

    def __init__(self, days: int | None, database: Path | None) -> None:
        self._days, self._database = days, database
        self._due_at_s = float("-inf")

    def run(self) -> None:
        """Erase one batch, if one is due. Needs an application context."""
        if self._days is not None and time.monotonic() >= self._due_at_s:
            is_more = erase_expired(datetime.now(UTC) - timedelta(days=self._days))
            self._due_at_s = float("-inf") if is_more else time.monotonic() + INTERVAL_S
        if self._database is not None:
            wal_cleanup.truncate_wal(self._database)


@retried
def erase_expired(oldest_kept: datetime) -> bool:
    """Erase a batch of data older than `oldest_kept`; returns whether there may be more.

    Images, owners and feedback are erased, as if their owner had done it. The outputs of the
    versions are kept, since they are counted.
    """
    with read_transaction() as session:
        found = predictions.find_expired(session, oldest_kept, BATCH_SIZE)
    if found is None:
        with write_transaction() as session:
            count = feedback.delete_unlinked_before(session, oldest_kept)
        if count:
            wal_cleanup.mark_dirty()
        return False
    owner, prediction_ids = found
    with write_transaction() as session:
        accounts.lock_key_share(session, owner)
        for prediction_id in prediction_ids:
            # The lock keeps out feedback that would arrive between the two deletions.
            predictions.lock_for_update(session, owner, prediction_id)
            feedback.delete_by_prediction(session, prediction_id)
            reviews.withdraw_expired(session, prediction_id)
            predictions.erase(session, owner, prediction_id)
    wal_cleanup.mark_dirty()
    return True
