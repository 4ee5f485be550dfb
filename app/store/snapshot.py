"""SQLite files as files: copying one while it is written to, and whether one is sound."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

PAGES_AT_ONCE = 1_000
WAIT_S = 10


def copy(source: Path, target: Path, tell: Callable[[float], None]) -> None:
    """Copy a database as it is at one moment, into one file; tells what share is done.

    Who writes goes on meanwhile. Raises sqlite3.Error.
    """
    with closing(_open(source)) as original, closing(sqlite3.connect(target)) as made:
        # A copy begins anew whenever somebody writes, unless a transaction holds the state still.
        original.execute("BEGIN")
        original.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        original.backup(
            made,
            pages=PAGES_AT_ONCE,
            progress=lambda _, left, total: tell(1 - left / max(total, 1)),
        )
        made.execute("PRAGMA journal_mode=DELETE")


def faults(path: Path) -> list[str]:
    """What is broken in a database file; nothing in a sound one."""
    try:
        with closing(_open(path)) as database:
            found = [str(row[0]) for row in database.execute("PRAGMA integrity_check(5)")]
            orphans = database.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.Error as error:
        return [str(error)]
    dangling = [f"a row of {row[0]} points to nothing" for row in orphans[:5]]
    return [*(line for line in found if line != "ok"), *dangling]


def revision(path: Path) -> str:
    """The migration that a database is at; empty for one of another program, or of old."""
    with closing(_open(path)) as database:
        try:
            found = database.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return ""
    return str(found[0]) if found else ""


def _open(path: Path) -> sqlite3.Connection:
    """Open a database that is there; the driver begins no transaction by itself."""
    uri = f"{path.resolve().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=WAIT_S)
