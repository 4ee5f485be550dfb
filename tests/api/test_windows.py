"""Limits are counted exactly, by any number of threads, and by no clock that can be set."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.api import windows
from app.api.windows import Windows
from tests.conftest import Golden, at_once, prepared, register, settings


def test_sixteen_threads_count_every_call() -> None:
    counted = Windows()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: counted.incr("key", 60), range(4_000)))
    assert sorted(found) == list(range(1, 4_001))
    assert counted.get("key") == 4_000


def test_a_window_ends_and_another_one_begins() -> None:
    counted = Windows()
    assert counted.incr("key", 60, amount=3) == 3
    assert 59 < counted.get_expiry("key") - time.time() <= 60
    counted._windows["key"].ends_at_s = time.monotonic()
    assert counted.get("key") == 0
    assert counted.incr("key", 60) == 1


def test_a_clock_that_is_set_moves_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Windows()
    counted.incr("key", 60)
    now_s = time.time()
    monkeypatch.setattr(windows.time, "time", lambda: now_s + 86_400)
    assert counted.incr("key", 60) == 2
    monkeypatch.setattr(windows.time, "time", lambda: now_s - 86_400)
    assert counted.incr("key", 60) == 3


def test_windows_that_have_ended_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Windows()
    for number in range(100):
        counted.incr(f"key {number}", 1)
    now_s = time.monotonic()
    monkeypatch.setattr(windows.time, "monotonic", lambda: now_s + 61)
    counted.incr("another", 1)
    assert len(counted._windows) == 1


def test_sixteen_at_once_get_exactly_what_the_limit_allows(tmp_path: Path, golden: Golden) -> None:
    with prepared(settings(tmp_path, RATELIMIT_V2="20 per day")) as app:
        ana = register(app, "ana")
        assert ana.predict("v2", golden.png(0)).status_code == 200  # through Flask
        answers = at_once(16, lambda: ana.predict("v2", golden.png(1)))
        answers += at_once(16, lambda: ana.predict("v2", golden.png(1)))
        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(200), statuses.count(429)) == (19, 13)
