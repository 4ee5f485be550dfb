"""Remove erased data from SQLite's write-ahead log, where old versions of pages remain.

In the database file itself nothing remains: `secure_delete` overwrites at once (db.py).
"""

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

WAIT_S = 0.2  # for readers; nobody can write meanwhile
MAX_PAUSE_S = 10.0  # between attempts, while somebody reads for long

_is_dirty = threading.Event()
_is_dirty.set()  # an earlier process may have ended before it truncated the log


def mark_dirty() -> None:
    """Record that data was erased; call it after the commit."""
    _is_dirty.set()


class WalCleanup:
    """Empties the write-ahead log after data was erased; a database server needs none of it."""

    def __init__(self, database: Path | None) -> None:
        self._database = database
        self._pause_s, self._due_at_s = 0.0, float("-inf")

    def run(self) -> None:
        """Empty the log if data was erased; if a reader uses it, try again later and less often."""
        if self._database is None or time.monotonic() < self._due_at_s:
            return
        is_done = truncate_wal(self._database)
        self._pause_s = 0.0 if is_done else min(MAX_PAUSE_S, max(1.0, 2 * self._pause_s))
        self._due_at_s = time.monotonic() + self._pause_s


def truncate_wal(database: Path) -> bool:
    """Empty the write-ahead log if data was erased; return False if another connection uses it.

    Most pages are copied by the first checkpoint, beside which others can write.
    """
    if not _is_dirty.is_set() or not database.with_name(f"{database.name}-wal").exists():
        return True
    _is_dirty.clear()  # before the checkpoint: what is erased during it needs another one
    is_busy = True
    try:
        # mode=rw: it must not create a database in the place of one that was deleted.
        uri = f"{database.as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_S)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        if is_busy:
            _is_dirty.set()
    return not is_busy
