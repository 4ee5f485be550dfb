"""What SQLite keeps of erased rows: old pages in the write-ahead log, until that is emptied.

In the file itself nothing stays: `secure_delete` overwrites at once (app/store/engine/db.py).
"""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

WAIT_S = 0.2  # nobody can write meanwhile

_noted = threading.Event()
_noted.set()  # what the process before may not have come to


def note() -> None:
    """Say that something was erased, once that is committed."""
    _noted.set()


def clean_log(database: Path) -> bool:
    """Empty the write-ahead log where something was erased; False if somebody is in the way."""
    if not _noted.is_set():
        return True
    _noted.clear()  # before it is done: what is erased meanwhile is for the next time
    is_busy = True
    try:
        with closing(sqlite3.connect(database, timeout=WAIT_S)) as connection:
            is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        if is_busy:
            _noted.set()
    return not is_busy
