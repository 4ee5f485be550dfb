"""Tell failures of the database from faults of this code: the one table of their causes.

SQLAlchemy's classes do not: psycopg raises InternalError for a read-only server and
ProgrammingError for a lost privilege, and SQLite raises OperationalError for a misspelled column.
The driver's own code decides: PostgreSQL's SQLSTATE, or SQLite's result code.
"""

import logging
import sqlite3
import threading
import time
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.store.engine.database_file import DatabaseFileGone
from app.store.engine.postgres_timeouts import ServerTimeout

REPEAT_AFTER_S = 60.0

_NO_ANSWER = "The database does not answer"
_CONNECTION_LOST = "The connection to the database was lost"
_POOL_EXHAUSTED = "All database connections are in use"
_READ_ONLY = "The database is read-only"
_DAMAGED = "The database is damaged"
_FILE_GONE = "The database file was deleted or replaced"
_LOCKED = "The database is locked by another program"
_DISK_FULL = "The disk of the database is full"
_INTERRUPTED = "The database ended this transaction, which took too long"
_CONFLICT = "The database ended this transaction in favor of another one"

# By SQLSTATE, or the beginning of one (https://www.postgresql.org/docs/current/errcodes-appendix.html).
# The longest match counts. What is not listed is a fault of the statement, and so of this code.
_POSTGRESQL = {
    "08": _CONNECTION_LOST,
    "25006": _READ_ONLY,
    "25P03": _INTERRUPTED,
    "25P04": _INTERRUPTED,
    "28": "The database does not let Cifra log in",
    "3D000": "The database does not exist",
    "40": _CONFLICT,
    "42501": "Cifra's database user lacks a privilege",
    "53": "The database has no resources left",
    "53100": _DISK_FULL,
    "55": _LOCKED,
    "57": "The database was stopped, or is starting",
    "57014": _INTERRUPTED,
    "58": "The database server has a system error",
    "F0": "The database server has an invalid configuration",
    "XX": "The database server has an internal error",
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}

# By primary result code (https://www.sqlite.org/rescode.html). SQLITE_ERROR is not among them: a
# missing column, say.
_SQLITE = {
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_NOMEM: "The database has no memory left",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_INTERRUPT: _INTERRUPTED,
    sqlite3.SQLITE_IOERR: "The database file cannot be read or written",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: _DISK_FULL,
    sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened",
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_AUTH: "The database file cannot be opened",
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}

# The server ended the connection, or serves no writes on it; a new one may reach another server.
_CONNECTION_IS_USELESS = ("08", "25006", "25P03", "57P01", "57P02", "57P05")
_CONFLICTS = ("40001", "40P01")  # the server has rolled the transaction back


@dataclass(frozen=True)
class DatabaseFailure:
    """A failure of the database: what clients are told, and what its driver says."""

    summary: str
    reason: str

    @property
    def is_damage(self) -> bool:
        """Return whether the database itself is damaged, so that only a backup helps."""
        return self.summary == _DAMAGED

    def __str__(self) -> str:
        """Return both on one line, for the log and for operators."""
        return f"{self.summary}: {self.reason}"


def describe(error: BaseException) -> DatabaseFailure | None:
    """Return what failed, for an error of SQLAlchemy or of a driver; None if it is our fault."""
    if isinstance(error, PoolTimeoutError):
        return DatabaseFailure(_POOL_EXHAUSTED, _first_line(error))
    original = error.orig if isinstance(error, DBAPIError) else error
    summary = _summary(original)
    if summary in (None, _NO_ANSWER) and is_connection_lost(error):
        summary = _CONNECTION_LOST
    if summary is None or original is None:
        return None
    return DatabaseFailure(summary, _first_line(original))


def is_conflict(error: DBAPIError) -> bool:
    """Return whether the server rolled a transaction back because of another one (a deadlock)."""
    return _sqlstate(error.orig) in _CONFLICTS


def is_connection_lost(error: BaseException) -> bool:
    """Return whether an error is that of one connection, so that a fresh one may work."""
    if not isinstance(error, DBAPIError) or isinstance(error.orig, ServerTimeout):
        return False
    return error.connection_invalidated or is_connection_useless(error.orig)


def is_connection_useless(error: BaseException | None) -> bool:
    """Return whether a driver's error says that its connection is of no use any more."""
    return (_sqlstate(error) or "").startswith(_CONNECTION_IS_USELESS)


class FailureLog:
    """Logs each kind of failure at most once a minute, with the number of those in between."""

    def __init__(self, log: logging.Logger) -> None:
        self._log, self._lock = log, threading.Lock()
        self._logged_at_s: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def report(self, failure: DatabaseFailure) -> None:
        """Log a failure, or count it if one of its kind was logged less than a minute ago."""
        now_s, kind = time.monotonic(), failure.summary
        with self._lock:
            if now_s - self._logged_at_s.get(kind, float("-inf")) < REPEAT_AFTER_S:
                self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
                return
            self._logged_at_s[kind], count = now_s, self._suppressed.pop(kind, 0)
        since = f" ({count:,} more since the last line)" if count else ""
        self._log.error("%s%s", failure, since)


def _summary(error: BaseException | None) -> str | None:
    if isinstance(error, DatabaseFileGone):
        return _FILE_GONE
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)  # None: the driver itself raised it
        if code is None:
            return _NO_ANSWER if isinstance(error, sqlite3.OperationalError) else None
        return _SQLITE.get(code & 0xFF)
    sqlstate = _sqlstate(error)
    if sqlstate is not None:
        lengths = range(len(sqlstate), 1, -1)
        return next((_POSTGRESQL[at] for n in lengths if (at := sqlstate[:n]) in _POSTGRESQL), None)
    # Without a code libpq or psycopg itself gave up: no connection, a timeout.
    names = {each.__name__ for each in type(error).__mro__}
    return _NO_ANSWER if OperationalError.__name__ in names else None


def _sqlstate(error: BaseException | None) -> str | None:
    return getattr(error, "sqlstate", None)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
