"""Work that is done periodically goes on after errors, with one log line for each outage."""

import logging
import sqlite3
import threading
from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError

from app.services.background import periodic_worker
from app.services.background.periodic_worker import run_until_stopped


def fail_with_outage() -> None:
    raise OperationalError(
        "SELECT 1", {}, sqlite3.OperationalError("server closed the connection\nmore")
    )


def fail_otherwise() -> None:
    raise RuntimeError("a bug")


def test_work_goes_on_after_errors_with_one_line_for_each_outage(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(periodic_worker, "RETRY_DELAY_S", 0)
    caplog.set_level(logging.INFO)
    stop_event = threading.Event()

    def succeed() -> None:
        pass

    turns: list[Callable[[], None]] = [
        *(fail_with_outage, fail_with_outage, fail_with_outage, succeed, succeed),
        *(fail_otherwise, fail_with_outage, succeed, stop_event.set),
    ]

    def next_turn() -> None:
        turns.pop(0)()

    run_until_stopped("mail", 0, next_turn, threading.Event(), stop_event)
    assert turns == []
    begin = (
        "mail: The database does not answer: server closed the connection; trying again every 2 s"
    )
    end = "mail: the database answers again"
    assert [record.getMessage() for record in caplog.records] == [
        *(begin, end),
        *("mail: unhandled exception", begin, end),
    ]
    assert [bool(record.exc_info) for record in caplog.records] == [
        False,
        False,
        True,
        False,
        False,
    ]
