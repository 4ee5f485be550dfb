"""Copies of a SQLite database during writes, and checks for faults."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from app.store.engine import sqlite_backup

ROWS = 40_000


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Create a database of many pages, with two accounts whose total never changes."""
    path = tmp_path / "bank.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, money INTEGER)")
        connection.execute("CREATE TABLE ballast (id INTEGER PRIMARY KEY, weight BLOB)")
        connection.execute("INSERT INTO account VALUES (1, 1000), (2, 0)")
        connection.executemany("INSERT INTO ballast (weight) VALUES (?)", [(b"x" * 1_000,)] * ROWS)
        connection.commit()
    return path


def test_copy_is_one_consistent_state_and_blocks_no_writer(database: Path, tmp_path: Path) -> None:
    stop_event, moved, progress = threading.Event(), [0], [0.0]

    def move() -> None:
        with closing(sqlite3.connect(database, isolation_level=None, timeout=1)) as bank:
            while not stop_event.is_set():
                bank.execute("BEGIN IMMEDIATE")
                bank.execute("UPDATE account SET money = money - 1 WHERE id = 1")
                bank.execute("UPDATE account SET money = money + 1 WHERE id = 2")
                bank.execute("INSERT INTO ballast (weight) VALUES (?)", (b"y" * 1_000,))
                bank.execute("COMMIT")
                moved[0] += 1

    mover = threading.Thread(target=move)
    mover.start()
    target = tmp_path / "copy.db"
    while moved[0] < 10:
        assert mover.is_alive()
    before = moved[0]
    sqlite_backup.copy_database(database, target, progress.append)
    after = moved[0]
    stop_event.set()
    mover.join()
    assert after > before
    assert progress == sorted(progress)
    assert progress[-1] == 1
    assert sqlite_backup.list_faults(target) == []
    with closing(sqlite3.connect(target)) as copied:
        (first, second), ballast = (
            [row[0] for row in copied.execute("SELECT money FROM account ORDER BY id")],
            copied.execute("SELECT count(*) FROM ballast").fetchone()[0],
        )
        assert copied.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert first + second == 1_000
    assert ballast == ROWS + second
    assert before <= second <= after
    assert {path.name for path in tmp_path.glob("copy.db*")} == {"copy.db"}


def test_corrupt_database_has_faults_and_a_sound_one_has_none(database: Path) -> None:
    assert sqlite_backup.list_faults(database) == []
    with database.open("r+b") as file:
        file.seek(100 * 4096)
        file.write(b"\xff" * 4096)
    assert sqlite_backup.list_faults(database) != []
    database.write_bytes(b"no database at all, but long enough to have a header" * 10)
    assert sqlite_backup.list_faults(database) == ["file is not a database"]


def test_dangling_reference_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE child (parent INTEGER REFERENCES account (id))")
        connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO child VALUES (5)")
        connection.commit()
    assert sqlite_backup.list_faults(path) == ["a row of child references a missing row"]
    assert sqlite_backup.read_revision(path) == ""
