"""Databases that are no good in a backup, each with what the rejection must say."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.backup_files import DATABASE, Good


def hostile_databases(good: Good) -> Iterator[tuple[str, tuple[bytes, str]]]:
    """Yield the name, the archive and a part of the message; the checksums are right."""
    foreign = "CREATE TABLE song (id INTEGER PRIMARY KEY); CREATE TABLE note (text TEXT)"
    claimed = (
        f"{foreign}; CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
    )
    endless = (
        "CREATE VIEW alembic_version AS WITH RECURSIVE n (x) AS"
        " (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) AS version_num FROM n"
    )
    revision = good.manifest["revision"]
    for name, script, message in (
        ("of nothing", "VACUUM", "Cifra never migrated it"),
        ("of another program", foreign, "Cifra never migrated it"),
        ("that claims no migration", claimed, "Cifra never migrated it"),
        (
            "of another program that claims a migration",
            f"{claimed}; INSERT INTO alembic_version VALUES ('{revision}')",
            f"not Cifra's at migration {revision}: it has no table",
        ),
        ("with an endless view as its migration", endless, "Cifra never migrated it"),
    ):
        yield f"database {name}", (good.pack_files({DATABASE: _created(script)}), message)
    for name, script, message in (
        (
            "at an unknown migration",
            "UPDATE alembic_version SET version_num = '9999'",
            "unknown to",
        ),
        (
            "at two migrations",
            "INSERT INTO alembic_version VALUES ('0007')",
            "is not a good backup",
        ),
        (
            "at an older migration",
            "UPDATE alembic_version SET version_num = '0007'",
            "not Cifra's at",
        ),
        ("without a table", "DROP TABLE notification", "it has no table notification"),
        ("without an index", "DROP INDEX ix_notification_user_id_id", "the index ix_notification"),
        (
            "without a column",
            "ALTER TABLE alert DROP COLUMN message",
            "has other columns: 'message'",
        ),
        ("with a renamed column", "ALTER TABLE alert RENAME message TO text", "has other columns"),
        ("with a further column", "ALTER TABLE alert ADD COLUMN extra TEXT", "columns: 'extra'"),
        (
            "with a column of another type",
            "ALTER TABLE alert DROP COLUMN message; ALTER TABLE alert ADD COLUMN message BLOB",
            "has other columns: 'message'",
        ),
        (
            "with a computed column",
            (
                "ALTER TABLE alert DROP COLUMN message;"
                " ALTER TABLE alert ADD COLUMN message VARCHAR(300) AS (kind || 1)"
            ),
            "has other columns: 'message'",
        ),
        (
            "with a view as a table",
            "ALTER TABLE alert RENAME TO hidden; CREATE VIEW alert AS SELECT * FROM hidden",
            "it has no table alert",
        ),
        (
            "with a dangling reference",
            (
                "PRAGMA foreign_keys=OFF; "
                "INSERT INTO notification (user_id, kind, message, created_at)"
                " VALUES (999, 'alert', 'x', '2026-01-01 00:00:00')"
            ),
            "references a missing row",
        ),
    ):
        packed = good.pack_database(lambda database, run=script: database.executescript(run))
        yield f"database {name}", (packed, message)
    yield "database of noise", (good.pack_files({DATABASE: b"noise" * 5_000}), "damaged or none")
    yield "database of no bytes", (good.pack_files({DATABASE: b""}), "Cifra never migrated it")
    half = good.database[: len(good.database) // 2]
    yield "half a database", (good.pack_files({DATABASE: half}), "the database is damaged")
    for tenth in range(10):  # the first page of each tenth
        at = len(good.database) * tenth // 10 // 4_096 * 4_096
        broken = good.database[:at] + b"\xff" * 4_096 + good.database[at + 4_096 :]
        packed = good.pack_files({DATABASE: broken})
        yield f"database damaged at {tenth}/10", (packed, "the database is damaged")
    yield "database with a malformed schema", (good.pack_database(_malform_schema), "damaged")


def _malform_schema(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA writable_schema=ON")
    database.execute(
        "INSERT INTO sqlite_schema VALUES ('trigger; --', 'x', 'user', 0, 'CREATE TABLE x (y)')"
    )


def _created(script: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, DATABASE)
        with closing(sqlite3.connect(path)) as database:
            database.executescript(script)
        return path.read_bytes()
