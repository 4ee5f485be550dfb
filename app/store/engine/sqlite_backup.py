"""Copy SQLite files while they are written to, and check them for faults."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from app.domain.errors import Unavailable

_log = logging.getLogger(__name__)

PAGES_PER_STEP = 1_000
WAIT_S = 10


def copy_database(source: Path, target: Path, on_progress: Callable[[float], None]) -> None:
    """Copy one consistent state of a database into one file; report the fraction that is done.

    Others can write meanwhile. Raises sqlite3.Error.
    """
    with closing(_open(source)) as original, closing(sqlite3.connect(target)) as copied:
        # SQLite starts a backup over whenever another connection writes, so that one of a busy
        # database might never end; an open read transaction pins the state that is copied.
        original.execute("BEGIN")
        original.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        original.backup(
            copied,
            pages=PAGES_PER_STEP,
            progress=lambda _, left, total: on_progress(1 - left / max(total, 1)),
        )
        copied.execute("PRAGMA journal_mode=DELETE")


def back_up_before(revision: str, path: Path) -> None:
    """Copy a database to a file next to it, readable by its owner only, before a migration.

    Copies the last committed state. Does nothing if the database has no rows or the copy exists
    already. Raises Unavailable if the copy cannot be made.
    """
    target = path.with_name(f"{path.name}.before-{revision}")
    try:
        if target.exists() or _is_empty(path):
            return
        with NamedTemporaryFile(dir=path.parent, prefix=f".{target.name}-") as partial:
            copy_database(path, Path(partial.name), lambda _: None)
            with suppress(FileExistsError):
                target.hardlink_to(partial.name)
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"The database cannot be backed up to {target}: {error}") from error
    _log.info("backed up the database to %s before migration %s", target, revision)


def _is_empty(path: Path) -> bool:
    """Return whether no table but Alembic's has a row."""
    with closing(_open(path)) as database:
        tables = database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'alembic_version'"
        ).fetchall()
        return not any(
            database.execute(f'SELECT EXISTS (SELECT 1 FROM "{name}")').fetchone()[0]  # noqa: S608
            for (name,) in tables
        )


def list_faults(path: Path) -> list[str]:
    """Return descriptions of what is corrupt in a database file; empty if it is sound."""
    try:
        with closing(_open(path)) as database:
            found = [str(row[0]) for row in database.execute("PRAGMA integrity_check(5)")]
            orphans = database.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.Error as error:
        return [str(error)]
    dangling = [f"a row of {row[0]} references a missing row" for row in orphans[:5]]
    return [*(line for line in found if line != "ok"), *dangling]


def read_revision(path: Path) -> str:
    """Return the revision that a database is at; "" if Alembic never migrated it."""
    with closing(_open(path)) as database:
        try:
            found = database.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return ""
    return str(found[0]) if found else ""


def _open(path: Path) -> sqlite3.Connection:
    """Open an existing database, with no transaction begun by the driver."""
    uri = f"{path.resolve().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=WAIT_S)
