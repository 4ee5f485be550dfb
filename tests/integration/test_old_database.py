"""A database file of the old program is migrated: its rows are kept, its feedback is counted."""

import sqlite3
from pathlib import Path

import flask_migrate
import pytest
import requests
from sqlalchemy import inspect, text

from app import bootstrap
from app.api.http.container import container
from app.domain.errors import Conflict
from app.services.reporting import report as reporting
from app.store.engine.db import db, read_transaction
from app.store.engine.migration_state import register_flask_migrate
from config import ROOT
from tests.conftest import make_config, opened_app
from tests.support.server_process import UNLIMITED, serve

PLAIN = """
    CREATE TABLE user (id INTEGER NOT NULL PRIMARY KEY, username VARCHAR(80) NOT NULL UNIQUE);
    CREATE TABLE feedback (
        id INTEGER NOT NULL PRIMARY KEY, prediction INTEGER NOT NULL, correct BOOLEAN NOT NULL,
        comment VARCHAR(255)
    );
    INSERT INTO user VALUES (1, 'ana'), (7, 'luis');
    INSERT INTO feedback VALUES (1, 3, 1, 'bien'), (2, 5, 1, NULL), (9, 0, 0, 'era un 6');
"""
IRREGULAR = """
    CREATE TABLE user (
        id INTEGER PRIMARY KEY, username TEXT, password TEXT NOT NULL, email TEXT
    );
    CREATE TABLE feedback (
        id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES user(id), prediction VARCHAR(10),
        correct TEXT, comment TEXT, created_at DATETIME
    );
    INSERT INTO user VALUES (1, 'ana', 'secret', 'ana@example.org'), (2, 'ana', 'x', NULL),
        (3, NULL, 'x', NULL), (4, 'ana#2', 'x', NULL);
    INSERT INTO feedback VALUES (1, 1, '7', 'true', 'x', '2024-05-01 10:00:00.000000'),
        (2, 99, 'siete', 'false', NULL, NULL), (3, 2, '3', '1', NULL, 'yesterday'),
        (4, 2, '3', 'maybe', NULL, NULL);
"""


def make_old(folder: Path, script: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(folder / "app.db")
    connection.executescript(script)
    connection.close()


def test_old_feedback_is_counted_and_old_accounts_cannot_log_in(
    tmp_path: Path,
) -> None:
    make_old(tmp_path, PLAIN)
    with serve(tmp_path, **UNLIMITED) as server:
        admin = server.admin_client()
        report = admin.call("GET", "/admin/report").json()
        assert (report["total_feedback"], report["correct_feedback"]) == (3, 2)
        assert report["accuracy_percentage"] == 66.67
        users = admin.call("GET", "/admin/users").json()["users"]
        assert [(user["id"], user["username"], user["has_password"]) for user in users] == [
            (1, "ana", False),
            (7, "luis", False),
            (8, "admin", True),
        ]
        for password in ("", "anything", "None"):
            sent = {"username": "ana", "password": password}
            assert requests.post(f"{server.url}/login", json=sent, timeout=30).status_code == 401


def test_an_old_account_can_log_in_once_it_has_a_password(tmp_path: Path) -> None:
    make_old(tmp_path, PLAIN)
    with opened_app(make_config(tmp_path)) as made:
        with made.app_context():
            bootstrap.prepare(container().config, container().hasher)
        done = made.test_cli_runner().invoke(
            args=["set-password", "luis", "--password", "now it has one"]
        )
        assert done.exit_code == 0, done.output
        sent = {"username": "luis", "password": "now it has one"}
        assert made.test_client().post("/login", json=sent).status_code == 200


def test_irregular_old_rows_are_migrated_without_loss(tmp_path: Path) -> None:
    make_old(tmp_path, IRREGULAR)
    with opened_app(make_config(tmp_path)) as made, made.app_context():
        bootstrap.prepare(container().config, container().hasher)
        assert vars(reporting.build().feedback) == {"total": 3, "correct": 2}
        with read_transaction() as session:
            users = session.execute(text('SELECT id, username, email FROM "user" WHERE id < 5'))
            feedback = session.execute(text("SELECT user_id, prediction, correct FROM feedback"))
            times = session.execute(text("SELECT created_at FROM feedback")).scalars().all()
            assert [tuple(row) for row in users] == [
                (1, "ana", "ana@example.org"),
                (2, "ana#2#2", None),
                (3, "user#3", None),
                (4, "ana#2", None),
            ]
            assert [tuple(row) for row in feedback] == [(1, 7, 1), (None, None, 0), (2, 3, 1)]
            assert [str(time)[:10] for time in times] == ["2024-05-01", "None", "None"]
            assert session.scalar(text("SELECT password FROM old_user WHERE id = 1")) == "secret"
            assert session.scalar(text("SELECT count(*) FROM old_feedback")) == 4


def test_an_old_table_without_a_required_column_stops_the_start_with_one_line(
    tmp_path: Path,
) -> None:
    make_old(tmp_path, "CREATE TABLE feedback (id INTEGER PRIMARY KEY, stars INTEGER)")
    lacking = "feedback of this database lacks correct, prediction"
    with (
        opened_app(make_config(tmp_path)) as made,
        made.app_context(),
        pytest.raises(Conflict, match=lacking),
    ):
        bootstrap.prepare(container().config, container().hasher)


def test_the_first_migration_creates_the_two_old_tables(tmp_path: Path) -> None:
    with opened_app(make_config(tmp_path)) as made, made.app_context():
        register_flask_migrate(made, ROOT / "migrations")
        flask_migrate.upgrade(revision="0001")
        inspector = inspect(db.engine)
        columns = {
            table: {column["name"] for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()
            if table != "alembic_version"
        }
    assert columns == {
        "user": {"id", "username"},
        "feedback": {"id", "prediction", "correct", "comment"},
    }
