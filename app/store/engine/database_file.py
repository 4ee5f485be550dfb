"""Watch whether the SQLite file at its path is still the one that this process has open.

A process goes on writing into a file that was deleted or replaced, and all of that is gone with the
process. The same holds for the write-ahead log (`-wal`), which has the latest commits. So both are
compared with what is open, by device and inode: each second, and in each write transaction once it
has the write lock; in batch writes only ten times a second, because it takes microseconds. From
then on nothing is written, and what is still open is copied to a file beside it, so that no
acknowledged write is lost (tests/store/engine/test_database_file.py).
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_OPEN_FILES = Path("/dev/fd")
_LOG_EVERY_S = 60.0

_Identity = tuple[int, int]
_Connect = Callable[[], AbstractContextManager[sqlite3.Connection]]

_log = logging.getLogger(__name__)


class DatabaseFileGone(sqlite3.OperationalError):
    """The database file that this process has open is no longer the one at its path."""


class DatabaseFile:
    """The file of an SQLite database, and which file that was when this process opened it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._wal_path = path.with_name(f"{path.name}-wal")
        self._opened: _Identity | None = None
        self._opened_wal: _Identity | None = None
        self._is_gone, self._checked_at_s = False, float("-inf")
        self._rescued_to: Path | None = None
        self._log_due_at_s = float("-inf")

    def connect(self, **options: Any) -> sqlite3.Connection:
        """Open the file, which must exist: by default SQLite would create an empty one.

        Raises sqlite3.Error, also if it is not the file that this process opened before.
        """
        self.require_in_place()
        uri = f"{self.path.as_uri()}?mode=rw"
        connection: sqlite3.Connection = sqlite3.connect(uri, uri=True, **options)
        self._opened = self._opened or _identity(self.path)
        return connection

    def create(self) -> None:
        """Create an empty file, which only its owner can read. Raises OSError."""
        os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def require_in_place(self, max_age_s: float = 0.0) -> None:
        """Raise DatabaseFileGone if the files were deleted or replaced since they were opened.

        The files themselves are looked at unless that was done in the last `max_age_s`.
        """
        now_s = time.monotonic()
        if not self._is_gone and now_s - self._checked_at_s < max_age_s:
            return
        self._is_gone = True  # for other threads, should the next line raise
        self._compare()
        self._is_gone, self._checked_at_s = False, now_s

    def _compare(self) -> None:
        if self._opened is None:
            return
        current = _identity(self.path)
        if current != self._opened:
            raise DatabaseFileGone(_describe(self.path, current))
        current = _identity(self._wal_path)
        if current == self._opened_wal:
            return
        if self._opened_wal is not None and self._opened_wal in _list_open():
            raise DatabaseFileGone(_describe(self._wal_path, current))
        # SQLite makes a new log for the first connection, after the last one has been closed.
        self._opened_wal = current if current in _list_open() else None

    def watch(self, connect: _Connect) -> None:
        """Check the files; if they are gone, copy what is still open, and say so in the log.

        `connect` lends a connection that was open before.
        """
        try:
            self.require_in_place()
        except DatabaseFileGone as error:
            if time.monotonic() >= self._log_due_at_s:
                self._log_due_at_s = time.monotonic() + _LOG_EVERY_S
                _log.error("%s: nothing is written any more. %s", error, self._rescue(connect))
        else:
            self._rescued_to = None

    def _rescue(self, connect: _Connect) -> str:
        """Copy the open database to a file beside it, once; return what to do."""
        try:
            if self._rescued_to is None:
                with connect() as connection:
                    self._rescued_to = _copy(connection, self.path)
        except (OSError, sqlite3.Error) as error:
            return f"Put it back; what this server has of it could not be copied: {error}"
        return (
            f"What this server had of it is in {self._rescued_to}: stop the server, move"
            f" {self.path.name}* away, rename that file to {self.path.name} and start again"
        )


def _copy(connection: sqlite3.Connection, path: Path) -> Path:
    # Each process copies what it has open; they have the same, but none can know that.
    now = datetime.now(UTC)
    target = path.with_name(f"{path.name}.rescued-{now:%Y%m%dT%H%M%SZ}-{os.getpid()}")
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        # Whoever had the write lock before is part of the copy; whoever gets it after is refused.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        with closing(sqlite3.connect(target)) as copied:
            connection.backup(copied)
            copied.execute("PRAGMA journal_mode=DELETE")
    except BaseException:
        target.unlink()
        raise
    return target


def _identity(path: Path) -> _Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116  half the time of Path.stat, in each batch write
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _list_open() -> set[_Identity | None]:
    """Return the identities of the files that this process has open; none if they are hidden."""
    try:
        names = os.listdir(_OPEN_FILES)  # noqa: PTH208
    except OSError:
        return set()
    return {_identity(_OPEN_FILES / name) for name in names} - {None}


def _describe(path: Path, current: _Identity | None) -> str:
    return f"{path} was {'deleted' if current is None else 'replaced'} while it was in use"
