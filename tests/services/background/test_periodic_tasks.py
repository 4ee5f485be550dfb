"""Periodic tasks: one that fails does not prevent the others."""

import threading

import pytest

from app.services.background.periodic_tasks import run_all


def test_a_failed_task_raises_after_all_tasks_have_run() -> None:
    ran: list[str] = []

    def fail() -> None:
        ran.append("first")
        raise RuntimeError("the first thing fails")

    with pytest.raises(RuntimeError, match="first thing"):
        run_all([fail, lambda: ran.append("second")], threading.Event())
    assert ran == ["first", "second"]


def test_no_task_runs_after_the_stop_event() -> None:
    stop_event, ran = threading.Event(), list[int]()
    run_all([stop_event.set, lambda: ran.append(1)], stop_event)
    assert ran == []
