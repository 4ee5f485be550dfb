"""Check a database and secrets that came from elsewhere, before anything uses them."""

import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from app.domain.errors import InvalidInput, Unavailable
from app.services.accounts.signing_keys import MIN_KEY_BYTES, RETIRED_KEYS_FILE, KeyFiles
from app.services.maintenance.backup_manifest import DATABASE
from app.store.engine import migration_state, sqlite_backup, sqlite_schema
from app.store.engine.sqlite_schema import ForeignObject, Schema

_JWT_KEY = "jwt_secret_key"
_KEYS = ("secret_key", _JWT_KEY)


@dataclass(frozen=True)
class CheckedDatabase:
    """The migration of a database, and what was dropped from it because Cifra did not create it."""

    revision: str
    left_out: list[ForeignObject]


def check_database(path: Path, migrations: Path) -> CheckedDatabase:
    """Check that a file is a sound database of Cifra, at a migration that this release knows.

    Foreign objects are dropped. Raises InvalidInput otherwise.
    """
    try:
        known = migration_state.list_revisions(migrations)
        revision = _require_known(_read_revision(path), known)
        expected = schema_at(revision, migrations)
        if difference := sqlite_schema.describe_difference(path, expected):
            raise InvalidInput(f"the database is not Cifra's at migration {revision}: {difference}")
        foreign = sqlite_schema.list_foreign_objects(path, expected)
        sqlite_schema.drop(path, foreign)
        if found := sqlite_backup.list_faults(path):
            raise InvalidInput(f"the database is damaged: {found[0]}")
    except sqlite3.Error as error:
        raise InvalidInput(f"the database is damaged or none: {error}") from error
    return CheckedDatabase(revision, foreign)


def migrate(path: Path, migrations: Path) -> None:
    """Migrate a checked database to the newest migration, and leave it in a single file.

    Raises InvalidInput if its rows cannot be migrated.
    """
    try:
        migration_state.upgrade_file(path, migrations)
        with closing(sqlite_schema.open_untrusted(path)) as database:
            database.execute("PRAGMA journal_mode=DELETE")
    except Exception as error:  # rows that nobody checked may break a migration in any way
        reason = str(error).partition("\n")[0]
        raise InvalidInput(f"the database cannot be migrated: {reason}") from error


def check_secrets(folder: Path, names: Collection[str]) -> None:
    """Check that secrets are such as a start accepts. Raises InvalidInput otherwise."""
    for name in set(names) - {DATABASE}:
        try:
            text = (folder / name).read_text().strip()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"the {name} is not text") from error
        if name in _KEYS and len(text) < MIN_KEY_BYTES:
            raise InvalidInput(
                f"the {name} has {len(text)} characters, {MIN_KEY_BYTES} are the fewest"
            )
    try:
        if RETIRED_KEYS_FILE in names:
            KeyFiles(folder / _JWT_KEY, timedelta(0)).read_retired()
    except Unavailable as error:
        raise InvalidInput(
            f"the {RETIRED_KEYS_FILE} has a line without a time and a key"
        ) from error


@cache
def schema_at(revision: str, migrations: Path) -> Schema:
    """Return the schema that the migrations create up to a revision, by running them."""
    with TemporaryDirectory() as folder:
        path = Path(folder, DATABASE)
        migration_state.upgrade_file(path, migrations, revision)
        return sqlite_schema.read_schema(path)


def _read_revision(path: Path) -> str:
    """Return the revision, "" if there is none; a view of that name is not asked."""
    is_migrated = "alembic_version" in sqlite_schema.read_schema(path).tables
    return sqlite_backup.read_revision(path) if is_migrated else ""


def _require_known(revision: str, known: list[str]) -> str:
    if not revision:
        raise InvalidInput("the database is of another program: Cifra never migrated it")
    if revision not in known:
        raise InvalidInput(
            f"the database is at migration {revision[:20]!r}, unknown to this release or newer than"
            f" its last one, {known[0]}: use the release that wrote it, or a newer one"
        )
    return revision
