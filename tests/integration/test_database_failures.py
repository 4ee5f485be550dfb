"""Failures of the database are 503 on every route, ours are 500; readiness notices them."""

import logging
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, event, make_url, text
from werkzeug.test import TestResponse

from app.store.engine.db import db, dispose_engines, read_transaction
from tests.conftest import (
    GoldenSet,
    UserClient,
    bootstrapped_app,
    make_config,
    postgres_database,
    register_user,
)

FEEDBACK = {"prediction": 3, "correct": True}
ROLE = "cifra_limited"


def send_all(ana: UserClient, golden: GoldenSet) -> list[TestResponse]:
    """Send requests that read and write, through the fast path and beside it."""
    credentials = {"username": "ana", "password": "password of ana"}
    return [
        ana.predict("v2", golden.png(0)),
        ana.predict("ab", golden.png(1)),
        ana.call("POST", "/feedback", json=FEEDBACK),
        ana.client.post("/login", json=credentials),
    ]


def is_ready(app: Flask) -> bool:
    client = app.test_client()
    assert client.get("/livez").status_code == 200
    return client.get("/readyz").status_code == 200


def assert_unavailable(answers: list[TestResponse], detail: str, *or_details: str) -> None:
    assert [(each.status_code, each.headers.get("Retry-After")) for each in answers] == [
        (503, "5")
    ] * len(answers)
    assert {each.get_json()["detail"] for each in answers} <= {detail, *or_details}


def failures_logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages of errors; none may have a traceback."""
    found = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record for record in found if record.exc_info] == []
    return [record.getMessage() for record in found]


@contextmanager
def app_of_limited_role(postgres_url: str, template: str, tmp_path: Path) -> Iterator[Flask]:
    """Create an application whose role may read and write rows, and is no superuser."""
    with postgres_database(postgres_url, template) as url:
        run_sql(
            url,
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}')"
            f" THEN CREATE ROLE {ROLE} LOGIN; END IF; END $$",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {ROLE}",
        )
        limited = make_url(url).set(username=ROLE).render_as_string(hide_password=False)
        more = {"RATELIMIT_ENABLED": "false", "DATABASE_URL": limited}
        with bootstrapped_app(make_config(tmp_path, **more)) as app:
            app.config["ADMIN_URL"] = url
            yield app


def run_sql(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def on_postgresql(postgres_url: str, postgres_template: str, tmp_path: Path) -> Iterator[Flask]:
    with app_of_limited_role(postgres_url, postgres_template, tmp_path) as app:
        yield app


def database_name(app: Flask) -> str:
    return str(make_url(app.config["ADMIN_URL"]).database)


def test_a_read_only_postgresql_is_503_and_not_ready_until_it_is_writable_again(
    on_postgresql: Flask, golden: GoldenSet, caplog: pytest.LogCaptureFixture
) -> None:
    app, ana = on_postgresql, register_user(on_postgresql, "ana")
    assert {each.status_code for each in send_all(ana, golden)} == {200, 201}
    assert is_ready(app)
    role = f"ROLE {ROLE} IN DATABASE {database_name(app)}"
    setting = f"ALTER {role} SET default_transaction_read_only"
    run_sql(app.config["ADMIN_URL"], f"{setting} = on")
    with app.app_context():
        dispose_engines()
    for _ in range(3):
        assert_unavailable(send_all(ana, golden), "The database is read-only")
    assert not is_ready(app)
    (logged,) = failures_logged(caplog)
    assert logged.startswith("The database is read-only: cannot execute ")
    run_sql(app.config["ADMIN_URL"], f"{setting} = off")
    # The connections of before, which stay read-only, are not used again.
    assert {each.status_code for each in send_all(ana, golden)} == {200, 201}
    assert is_ready(app)


def test_a_lost_privilege_is_503_and_not_ready(
    on_postgresql: Flask, golden: GoldenSet, caplog: pytest.LogCaptureFixture
) -> None:
    app, ana = on_postgresql, register_user(on_postgresql, "ana")
    tables = "prediction, feedback, login_session"
    run_sql(app.config["ADMIN_URL"], f"REVOKE INSERT ON {tables} FROM {ROLE}")
    for _ in range(3):
        assert_unavailable(send_all(ana, golden), "Cifra's database user lacks a privilege")
    assert not is_ready(app)
    (logged,) = failures_logged(caplog)
    assert "permission denied for table" in logged
    run_sql(app.config["ADMIN_URL"], f"GRANT INSERT ON {tables} TO {ROLE}")
    assert {each.status_code for each in send_all(ana, golden)} == {200, 201}
    assert is_ready(app)


def ends_its_transaction(app: Flask) -> None:
    with read_transaction() as session:
        session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 1"))
        time.sleep(0.2)
        session.execute(text("SELECT 1"))


def cancels_its_statement(app: Flask) -> None:
    with read_transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 1"))
        session.execute(text("SELECT pg_sleep(10)"))


def terminates_its_backend(app: Flask) -> None:
    with read_transaction() as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        run_sql(app.config["ADMIN_URL"], f"SELECT pg_terminate_backend({pid})")
        session.execute(text("SELECT 1"))


def waits_for_a_lock(app: Flask) -> None:
    engine = create_engine(app.config["ADMIN_URL"])
    try:
        with engine.connect() as other, read_transaction() as session:
            other.execute(text("LOCK TABLE alert"))
            session.execute(text("SET LOCAL lock_timeout = 1"))
            session.execute(text("SELECT count(*) FROM alert"))
    finally:
        engine.dispose()


def runs_out_of_memory(app: Flask) -> None:
    with read_transaction() as session:
        session.execute(text("DO $$ BEGIN RAISE SQLSTATE '53200'; END $$"))


def finds_damaged_pages(app: Flask) -> None:
    with read_transaction() as session:
        session.execute(text("DO $$ BEGIN RAISE SQLSTATE 'XX001'; END $$"))


@pytest.mark.parametrize(
    ("fail", "detail"),
    [
        (ends_its_transaction, "The database ended this transaction, which took too long"),
        (cancels_its_statement, "The database ended this transaction, which took too long"),
        (terminates_its_backend, "The database was stopped, or is starting"),
        (waits_for_a_lock, "The database is locked by another program"),
        (runs_out_of_memory, "The database has no resources left"),
        (finds_damaged_pages, "The database is damaged"),
    ],
)
def test_failures_of_postgresql_say_what_is_true(
    on_postgresql: Flask,
    fail: Callable[[Flask], None],
    detail: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = on_postgresql

    def view() -> str:
        fail(app)
        return "not reached"

    app.add_url_rule("/failing", view_func=view)
    # Whether the server's last message is read before the end of its connection is chance.
    lost = "The connection to the database was lost"
    assert_unavailable([app.test_client().get("/failing") for _ in range(2)], detail, lost)
    assert {line.partition(": ")[0] for line in failures_logged(caplog)} <= {detail, lost}
    assert is_ready(app)


def test_a_statement_that_is_wrong_is_500_with_a_traceback(
    app_on_each: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    def view() -> str:
        with read_transaction() as session:
            return str(session.scalar(text("SELECT no_such_column FROM prediction")))

    app_on_each.add_url_rule("/wrong", view_func=view)
    assert app_on_each.test_client().get("/wrong").status_code == 500
    assert any(record.exc_info for record in caplog.records)
    assert is_ready(app_on_each)


def test_a_truncated_sqlite_file_is_503_and_not_ready(
    app: Flask, tmp_path: Path, golden: GoldenSet, caplog: pytest.LogCaptureFixture
) -> None:
    ana = register_user(app, "ana")
    assert {each.status_code for each in send_all(ana, golden)} == {200, 201}
    with app.app_context():
        dispose_engines()  # which writes the log into the file
    size = (tmp_path / "app.db").stat().st_size
    os.truncate(tmp_path / "app.db", size // 2)
    for _ in range(3):
        assert_unavailable(send_all(ana, golden), "The database is damaged")
    assert not is_ready(app)
    assert failures_logged(caplog) == ["The database is damaged: database disk image is malformed"]


def test_a_file_that_is_no_database_is_503_and_not_ready(
    app: Flask, tmp_path: Path, golden: GoldenSet, caplog: pytest.LogCaptureFixture
) -> None:
    ana = register_user(app, "ana")
    with app.app_context():
        dispose_engines()
    with (tmp_path / "app.db").open("r+b") as file:
        file.write(b"\xff" * 4096)
    assert_unavailable(send_all(ana, golden), "The database is damaged")
    assert not is_ready(app)
    assert failures_logged(caplog) == ["The database is damaged: file is not a database"]


def forbid_writes(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def fill_disk(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA max_page_count = 1")  # SQLite raises it to what there is


@pytest.mark.parametrize(
    ("limit", "detail"),
    [
        (forbid_writes, "The database is read-only"),
        (fill_disk, "The disk of the database is full"),
    ],
)
def test_sqlite_that_cannot_be_written_is_503(
    app: Flask, golden: GoldenSet, limit: Callable[..., None], detail: str
) -> None:
    ana = register_user(app, "ana")
    with app.app_context():
        for engine in db.engines.values():
            event.listen(engine, "connect", limit)
        dispose_engines()
    refused = []
    for _ in range(300):  # until the pages that are there are full
        refused += [each for each in send_all(ana, golden)[:3] if each.status_code >= 400]
        if len(refused) >= 3:
            break
    assert_unavailable(refused, detail)


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    """Return a folder that other users can enter, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="cifra-readable-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Lose root's right to write everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.parametrize(("path", "mode"), [("app.db", 0o444), ("", 0o555)])
def test_a_file_or_folder_that_cannot_be_written_is_not_ready(
    folder_of_nobody: Path, path: str, mode: int
) -> None:
    with bootstrapped_app(make_config(folder_of_nobody)) as app:
        if os.geteuid() == 0:
            for each in [folder_of_nobody, *folder_of_nobody.iterdir()]:
                os.chown(each, 65_534, 65_534)
        assert is_ready(app)
        target = folder_of_nobody / path
        before = target.stat().st_mode
        target.chmod(mode)
        with as_nobody():
            assert not is_ready(app)
        target.chmod(before)
        assert is_ready(app)
