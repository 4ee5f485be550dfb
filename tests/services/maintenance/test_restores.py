"""Restores: no archive that is not a good backup changes anything, and old ones are migrated."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.domain.errors import CifraError, InvalidInput
from app.services.maintenance import backups, restores
from app.services.maintenance.backups import BackupPaths
from app.services.maintenance.work_folders import work_folder
from app.store.engine import migration_state, sqlite_backup
from tests.services.maintenance.conftest import MIGRATIONS, ignore_progress
from tests.support.backup_files import Good
from tests.support.hostile_archives import hostile_archives

MAX_MESSAGE_LENGTH = 400

FOREIGN_OBJECTS = """
    CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
    CREATE TABLE "odd "" name" (id INTEGER PRIMARY KEY);
    CREATE VIRTUAL TABLE words USING fts5 (word);
    CREATE INDEX by_message ON alert (message);
    CREATE VIEW names AS SELECT username FROM user;
    CREATE TRIGGER promote AFTER INSERT ON prediction BEGIN UPDATE user SET role = 'admin'; END;
    CREATE TRIGGER "of ""the"" view" INSTEAD OF INSERT ON names BEGIN SELECT 1; END;
"""


def paths(folder: Path) -> BackupPaths:
    return BackupPaths(folder / "app.db", folder)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Path]:
    """Return a data directory with a key in it, which must stay as it is."""
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "secret_key").write_text("the key that was here before")
    yield folder
    assert not list(folder.glob(".restore-*"))


def restore(content: bytes, there: Path) -> backups.Backup:
    archive = there.with_name("backup.tgz")
    archive.write_bytes(content)
    return restores.restore(archive, paths(there), MIGRATIONS, ignore_progress)


def test_an_archive_that_is_no_good_backup_is_rejected_with_one_line_and_changes_nothing(
    there: Path, small_backup: Good
) -> None:
    failures = []
    for name, (content, expected) in hostile_archives(small_backup).items():
        try:
            restore(content, there)
            message = "restored"
        except CifraError as error:
            message = error.message
        left = sorted(path.name for path in there.iterdir())
        is_one_line = message.isprintable() and len(message) <= MAX_MESSAGE_LENGTH
        if expected not in message or not is_one_line or left != ["secret_key"]:
            failures.append((name, message, left))
            for path in there.glob("app.db*"):
                path.unlink()
    assert not failures
    assert (there / "secret_key").read_text() == "the key that was here before"


def test_what_is_no_file_is_rejected(there: Path) -> None:
    (there.parent / "loop").symlink_to("loop")
    for path in ("/dev/zero", "/dev/null", str(there), str(there.parent / "loop"), "/no/such/file"):
        with pytest.raises(CifraError, match=r"is not a file|There is no file"):
            restores.restore(Path(path), paths(there), MIGRATIONS, ignore_progress)
    assert [path.name for path in there.iterdir()] == ["secret_key"]


def test_an_unchanged_archive_is_restored(there: Path, small_backup: Good) -> None:
    restored = restore(small_backup.pack(), there)
    assert restored.left_out == []
    assert sqlite_backup.list_faults(there / "app.db") == []
    assert sorted(path.name for path in there.iterdir()) == ["app.db", "secret_key"]


def test_what_cifra_did_not_create_is_left_out_and_named(there: Path, small_backup: Good) -> None:
    packed = small_backup.pack_database(lambda database: database.executescript(FOREIGN_OBJECTS))
    left_out = list(map(str, restore(packed, there).left_out))
    assert left_out[:4] == [
        """trigger 'of "the" view'""",
        "trigger 'promote'",
        "view 'names'",
        "index 'by_message'",
    ]
    assert {"table '_litestream_seq'", "table 'words'", "table 'words_data'"} <= set(left_out)
    with closing(sqlite3.connect(there / "app.db")) as database:
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
    assert not names & {"promote", "names", "words", "words_data", "_litestream_seq", 'odd " name'}


def older_database(folder: Path, *statements: str) -> bytes:
    """Return a database at migration 0003, with some rows."""
    path = folder / "old.db"
    migration_state.upgrade_file(path, MIGRATIONS, "0003")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)
        database.execute("PRAGMA journal_mode=DELETE")
    return path.read_bytes()


def test_a_backup_of_an_older_release_is_migrated(
    tmp_path: Path, there: Path, small_backup: Good
) -> None:
    old = older_database(
        tmp_path,
        "INSERT INTO user (id, username) VALUES (7, 'ana')",
    )
    restore(small_backup.pack_files({"app.db": old}, revision="0003"), there)
    newest = migration_state.list_revisions(MIGRATIONS)[0]
    assert sqlite_backup.read_revision(there / "app.db") == newest
    assert sorted(path.name for path in there.iterdir()) == ["app.db", "secret_key"]
    with closing(sqlite3.connect(there / "app.db")) as database:
        assert database.execute("SELECT id, username FROM user").fetchall() == [(7, "ana")]


def test_rows_that_cannot_be_migrated_are_rejected(
    tmp_path: Path, there: Path, small_backup: Good
) -> None:
    path = tmp_path / "old.db"
    migration_state.upgrade_file(path, MIGRATIONS, "0007")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA foreign_keys=OFF")
        database.execute(
            "INSERT INTO retrain_job (version, deploy, status, gates, created_at)"
            " VALUES ('v2', 'never', 'done', '{', '2026-01-01 00:00:00')"
        )
        database.execute("PRAGMA journal_mode=DELETE")
    packed = small_backup.pack_files({"app.db": path.read_bytes()}, revision="0007")
    with pytest.raises(InvalidInput, match="the database cannot be migrated") as raised:
        restore(packed, there)
    assert raised.value.message.isprintable()
    assert [path.name for path in there.iterdir()] == ["secret_key"]


def test_a_rehearsal_rejects_a_backup_that_would_not_serve(
    tmp_path: Path, good_backup: Good
) -> None:
    archive = tmp_path / "backup.tgz"
    for statement, expected in (
        ("UPDATE model SET artifact = x'00' WHERE id = 1", "model 1 cannot serve"),
        ("UPDATE model SET sha256 = hex(randomblob(32)) WHERE id = 2", "model 2 cannot serve"),
        (
            "INSERT INTO feedback_count VALUES (1, 'v1', 5, 5, 5, 5)",
            "counter differs from its rows",
        ),
        ("UPDATE model SET created_at = 'yesterday'", "a row cannot be read"),
    ):
        archive.write_bytes(
            good_backup.pack_database(lambda database, run=statement: database.execute(run))
        )
        with pytest.raises(InvalidInput, match=f"can be restored, but .*{expected}"):
            restores.rehearse(archive, MIGRATIONS, ignore_progress)


def test_folders_of_killed_processes_are_removed_and_those_in_use_are_kept(
    there: Path, small_backup: Good
) -> None:
    with work_folder(there, ".restore-") as used:
        abandoned = there / ".restore-abandoned"
        abandoned.mkdir()
        (abandoned / "app.db").write_text("of a killed process")
        restore(small_backup.pack(), there)
        assert not abandoned.exists()
        assert used.exists()
