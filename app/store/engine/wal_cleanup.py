"""Remove erased data from SQLite's write-ahead log, where old versions of pages remain.

In the database file itself nothing remains: `secure_delete` overwrites at once (db.py).
"""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

WAIT_S = 0.2  # nobody can write meanwhile

_is_dirty = threading.Event()
_is_dirty.set()  # an earlier process may have ended before it truncated the log


def mark_dirty() -> None:
    """Record that data was erased; call it after the commit."""
    _is_dirty.set()


def truncate_wal(database: Path) -> bool:
    """Empty the write-ahead log if data was erased; return False if another connection uses it."""
    if not _is_dirty.is_set() or not database.with_name(f"{database.name}-wal").exists():
        return True
    _is_dirty.clear()  # before the checkpoint: what is erased during it needs another one
    is_busy = True
    try:
        # mode=rw: it must not create a database in the place of one that was deleted.
        uri = f"{database.as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_S)) as connection:
            is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        if is_busy:
            _is_dirty.set()
    return not is_busy
