"""Limits are counted exactly, by any number of threads, and by no clock that can be set."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.api.http import rate_limit_storage
from app.api.http.rate_limit_storage import (
    RETRY_EVERY_S,
    MemoryStorage,
    RedisStorageWithFallback,
    storage_uri,
)
from tests.conftest import GoldenSet, bootstrapped_app, make_config, register_user, run_concurrently
from tests.support.redis_server import RedisServer


def test_sixteen_threads_count_every_call() -> None:
    counted = MemoryStorage()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: counted.incr("key", 60), range(4_000)))
    assert sorted(found) == list(range(1, 4_001))
    assert counted.get("key") == 4_000


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path)
    yield made
    made.kill()


def test_many_are_counted_at_once_as_one_after_the_other(redis: RedisServer) -> None:
    for counted in (MemoryStorage(), RedisStorageWithFallback(storage_uri(redis.url))):
        assert counted.incr_many([("a", 60), ("b", 60), ("a", 60)]) == [1, 1, 2]
        assert counted.incr("a", 60) == 3
        assert 58 < counted.get_expiry("b") - time.time() <= 60
        assert counted.incr_many([]) == []


def test_a_redis_begun_anew_is_counted_in(redis: RedisServer) -> None:
    counted = RedisStorageWithFallback(storage_uri(redis.url))
    assert counted.incr_many([("a", 60)]) == [1]
    redis.kill()
    assert counted.incr_many([("a", 60), ("b", 60)]) == [1, 1]  # by this process
    redis.start()
    assert counted.is_using_fallback
    time.sleep(RETRY_EVERY_S)
    assert counted.incr_many([("a", 60), ("a", 60)]) == [1, 2]  # Redis has forgotten its script too
    assert not counted.is_using_fallback


def test_a_window_ends_and_another_one_begins() -> None:
    counted = MemoryStorage()
    assert counted.incr("key", 60, amount=3) == 3
    assert 59 < counted.get_expiry("key") - time.time() <= 60
    counted._windows["key"].ends_at_s = time.monotonic()
    assert counted.get("key") == 0
    assert counted.incr("key", 60) == 1


def test_a_clock_that_is_set_moves_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = MemoryStorage()
    counted.incr("key", 60)
    now_s = time.time()
    monkeypatch.setattr(rate_limit_storage.time, "time", lambda: now_s + 86_400)
    assert counted.incr("key", 60) == 2
    monkeypatch.setattr(rate_limit_storage.time, "time", lambda: now_s - 86_400)
    assert counted.incr("key", 60) == 3


def test_windows_that_have_ended_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = MemoryStorage()
    for number in range(100):
        counted.incr(f"key {number}", 1)
    now_s = time.monotonic()
    monkeypatch.setattr(rate_limit_storage.time, "monotonic", lambda: now_s + 61)
    counted.incr("another", 1)
    assert len(counted._windows) == 1


def test_sixteen_at_once_get_exactly_what_the_limit_allows(
    tmp_path: Path, golden: GoldenSet
) -> None:
    with bootstrapped_app(make_config(tmp_path, RATELIMIT_V2="20 per day")) as app:
        ana = register_user(app, "ana")
        assert ana.predict("v2", golden.png(0)).status_code == 200  # through Flask
        answers = run_concurrently(16, lambda: ana.predict("v2", golden.png(1)))
        answers += run_concurrently(16, lambda: ana.predict("v2", golden.png(1)))
        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(200), statuses.count(429)) == (19, 13)
