"""A database file or log that is deleted or replaced while it is in use is noticed and rescued."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from app.store.engine.db import dispose_engines, sqlite_connection
from tests.conftest import GoldenSet, UserClient, container_of, register_user

GONE = "The database file was deleted or replaced"


@pytest.fixture
def ana(app: Flask, golden: GoldenSet) -> UserClient:
    user = register_user(app, "ana")
    assert user.predict("v2", golden.png(0)).status_code == 200
    return user


def delete_all(folder: Path) -> None:
    for path in folder.glob("app.db*"):
        path.unlink()


def delete_file(folder: Path) -> None:
    (folder / "app.db").unlink()


def delete_log(folder: Path) -> None:
    (folder / "app.db-wal").unlink()


def move_file(folder: Path) -> None:
    (folder / "app.db").rename(folder / "moved.db")


def replace_file(folder: Path) -> None:
    shutil.copy(folder / "app.db", folder / "copy.db")
    (folder / "copy.db").rename(folder / "app.db")


def replace_log(folder: Path) -> None:
    shutil.copy(folder / "app.db-wal", folder / "copy.db-wal")
    (folder / "copy.db-wal").rename(folder / "app.db-wal")


CHANGES = (delete_all, delete_file, delete_log, move_file, replace_file, replace_log)


def watch(app: Flask) -> None:
    """Do what the housekeeping of a server does each second."""
    file = container_of(app).database_file
    assert file is not None
    with app.app_context():
        file.watch(sqlite_connection)


def writes(ana: UserClient, golden: GoldenSet) -> list[tuple[int, str | None]]:
    credentials = {"username": "ana", "password": "password of ana"}
    answers = [
        ana.client.post("/login", json=credentials),
        ana.call("POST", "/feedback", json={"prediction": 3, "correct": True}),
        ana.predict("v2", golden.png(1)),  # its own check may be a tenth of a second old
    ]
    return [(each.status_code, each.get_json().get("detail")) for each in answers]


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_written_into_a_file_that_is_gone_and_readiness_says_so(
    app: Flask,
    ana: UserClient,
    tmp_path: Path,
    golden: GoldenSet,
    change: Callable[[Path], None],
) -> None:
    assert app.test_client().get("/readyz").status_code == 200
    change(tmp_path)
    assert writes(ana, golden) == [(503, GONE)] * 3
    ready = app.test_client().get("/readyz")
    assert (ready.status_code, ready.get_json()["detail"]) == (503, GONE)
    assert app.test_client().get("/livez").status_code == 200
    assert len(ana.call("GET", "/predictions").get_json()["predictions"]) == 1


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_written_is_copied_beside_the_file_once(
    app: Flask,
    ana: UserClient,
    tmp_path: Path,
    change: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch(app)
    change(tmp_path)
    watch(app)
    watch(app)
    (rescued,) = tmp_path.glob("app.db.rescued-*")
    assert rescued.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(rescued)) as database:
        assert database.execute("SELECT count(*) FROM prediction").fetchone() == (1,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (line,) = [each.getMessage() for each in caplog.records if each.name.endswith("database_file")]
    assert "nothing is written any more" in line
    assert str(rescued) in line


@pytest.fixture
def moved(app: Flask, ana: UserClient, tmp_path: Path, golden: GoldenSet) -> Path:
    """Move the database file away, and let the server notice it."""
    move_file(tmp_path)
    assert writes(ana, golden) == [(503, GONE)] * 3
    return tmp_path / "moved.db"


def test_a_file_that_is_put_back_is_used_again(
    app: Flask, ana: UserClient, tmp_path: Path, golden: GoldenSet, moved: Path
) -> None:
    moved.rename(tmp_path / "app.db")
    assert [status for status, _ in writes(ana, golden)] == [200, 201, 200]
    assert app.test_client().get("/readyz").status_code == 200


def test_no_empty_database_is_created_in_its_place(
    app: Flask, ana: UserClient, tmp_path: Path, golden: GoldenSet, moved: Path
) -> None:
    with app.app_context():
        dispose_engines()
    assert writes(ana, golden) == [(503, GONE)] * 3
    watch(app)
    assert not (tmp_path / "app.db").exists()


def test_a_log_that_sqlite_itself_removed_and_made_again_is_no_problem(
    app: Flask, ana: UserClient, tmp_path: Path, golden: GoldenSet
) -> None:
    watch(app)
    before = (tmp_path / "app.db-wal").stat().st_ino
    (tmp_path / "keeps-its-inode").hardlink_to(tmp_path / "app.db-wal")
    with app.app_context():
        dispose_engines()  # the last connection to close removes the log
    assert not (tmp_path / "app.db-wal").exists()
    assert [status for status, _ in writes(ana, golden)] == [200, 201, 200]
    assert (tmp_path / "app.db-wal").stat().st_ino != before
    watch(app)
    assert app.test_client().get("/readyz").status_code == 200
    assert list(tmp_path.glob("*rescued*")) == []
