"""SQLite files as files: copying one while it is written to, and whether one is sound."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from app.domain.errors import Unavailable

_log = logging.getLogger(__name__)

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


def back_up_before(revision: str, path: Path) -> None:
    """Copy a database to a file beside it, for its owner alone, before a migration changes it.

    A database without rows is not copied, and a copy that is already there is kept. What is
    copied is the last state that was committed. Raises Unavailable where no copy can be made.
    """
    target = path.with_name(f"{path.name}.before-{revision}")
    try:
        if target.exists() or _is_empty(path):
            return
        with NamedTemporaryFile(dir=path.parent, prefix=f".{target.name}-") as partial:
            copy(path, Path(partial.name), lambda _: None)
            with suppress(FileExistsError):
                target.hardlink_to(partial.name)
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"The database cannot be backed up to {target}: {error}") from error
    _log.info("backed up the database to %s before migration %s", target, revision)


def _is_empty(path: Path) -> bool:
    """Whether no table has a row, but for the one that names the migration."""
    with closing(_open(path)) as database:
        tables = database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'alembic_version'"
        ).fetchall()
        return not any(
            database.execute(f'SELECT EXISTS (SELECT 1 FROM "{name}")').fetchone()[0]  # noqa: S608
            for (name,) in tables
        )


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
