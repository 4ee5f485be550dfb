"""What is looked after every second: one thing that fails keeps none from its turn."""

import threading

import pytest

from app.services.background.periodic_tasks import look


def test_what_fails_is_told_when_all_had_their_turn() -> None:
    looked: list[str] = []

    def fail() -> None:
        looked.append("first")
        raise RuntimeError("the first thing fails")

    with pytest.raises(RuntimeError, match="first thing"):
        look([fail, lambda: looked.append("second")], threading.Event())
    assert looked == ["first", "second"]


def test_none_has_its_turn_once_the_process_ends() -> None:
    ending, looked = threading.Event(), list[int]()
    look([ending.set, lambda: looked.append(1)], ending)
    assert looked == []
