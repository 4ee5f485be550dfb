"""What is looked after every second: one thing that fails keeps none from its turn."""

import threading

import pytest

from app.services.background.periodic_tasks import run_all


def test_what_fails_is_told_when_all_had_their_turn() -> None:
    looked: list[str] = []

    def fail() -> None:
        looked.append("first")
        raise RuntimeError("the first thing fails")

    with pytest.raises(RuntimeError, match="first thing"):
        run_all([fail, lambda: looked.append("second")], threading.Event())
    assert looked == ["first", "second"]


def test_none_has_its_turn_once_the_process_ends() -> None:
    stop_event, looked = threading.Event(), list[int]()
    run_all([stop_event.set, lambda: looked.append(1)], stop_event)
    assert looked == []
