"""Transactions: commit, rollback, isolation and nesting."""

import threading

import pytest
from flask import Flask
from sqlalchemy import text

from app.store.engine.db import read_transaction, write_transaction
from tests.conftest import run_concurrently

COUNT = text("SELECT count(*) FROM feedback")
ADD = text("INSERT INTO feedback (prediction, correct, not_a_digit) VALUES (1, true, false)")


def add_and_fail() -> None:
    with write_transaction() as session:
        session.execute(ADD)
        raise ZeroDivisionError


def test_write_transaction_commits_at_the_end_of_its_block(app_on_each: Flask) -> None:
    with app_on_each.app_context():
        with write_transaction() as session:
            session.execute(ADD)
        with read_transaction() as session:
            assert session.scalar(COUNT) == 1


def test_error_rolls_back_the_whole_transaction(app_on_each: Flask) -> None:
    with app_on_each.app_context():
        with pytest.raises(ZeroDivisionError):
            add_and_fail()
        with read_transaction() as session:
            assert session.scalar(COUNT) == 0


def test_read_transaction_commits_nothing(app_on_each: Flask) -> None:
    with app_on_each.app_context():
        with read_transaction() as session:
            session.execute(ADD)
        with read_transaction() as session:
            assert session.scalar(COUNT) == 0


def test_transactions_do_not_nest(app: Flask) -> None:
    with app.app_context(), read_transaction() as session:
        session.scalar(COUNT)
        with pytest.raises(RuntimeError, match="already open"), write_transaction():
            pass


def test_16_threads_that_read_and_then_update_one_row_lose_no_update(app_on_each: Flask) -> None:
    per_thread = 25
    is_sqlite = app_on_each.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite")
    lock = "" if is_sqlite else " FOR UPDATE"
    with app_on_each.app_context(), write_transaction() as session:
        session.execute(ADD)
        session.execute(text("UPDATE feedback SET prediction = 0"))

    def add_up() -> None:
        with app_on_each.app_context():
            for _ in range(per_thread):
                with write_transaction() as session:
                    found = session.scalar(text(f"SELECT prediction FROM feedback{lock}"))
                    session.execute(text("UPDATE feedback SET prediction = :n"), {"n": found + 1})

    run_concurrently(16, add_up)
    with app_on_each.app_context(), read_transaction() as session:
        assert session.scalar(text("SELECT prediction FROM feedback")) == 16 * per_thread


def test_sqlite_syncs_commits_and_checks_foreign_keys(app: Flask) -> None:
    with app.app_context(), read_transaction() as session:
        found = {
            name: session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


def test_read_transaction_sees_one_snapshot_while_others_write(app_on_each: Flask) -> None:
    def write() -> None:
        with app_on_each.app_context(), write_transaction() as session:
            session.execute(ADD)

    with app_on_each.app_context(), read_transaction() as session:
        assert session.scalar(COUNT) == 0
        writer = threading.Thread(target=write)
        writer.start()
        writer.join()
        assert session.scalar(COUNT) == 0
