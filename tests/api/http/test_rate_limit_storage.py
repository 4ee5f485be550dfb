"""Hits are storage exactly by any number of threads, independent of the system clock."""

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
    storage = MemoryStorage()
    with ThreadPoolExecutor(16) as pool:
        counts = list(pool.map(lambda _: storage.incr("key", 60), range(4_000)))
    assert sorted(counts) == list(range(1, 4_001))
    assert storage.get("key") == 4_000


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.kill()


def test_incr_many_counts_like_single_hits(redis: RedisServer) -> None:
    for storage in (MemoryStorage(), RedisStorageWithFallback(storage_uri(redis.url))):
        assert storage.incr_many([("a", 60), ("b", 60), ("a", 60)]) == [1, 1, 2]
        assert storage.incr("a", 60) == 3
        assert 58 < storage.get_expiry("b") - time.time() <= 60
        assert storage.incr_many([]) == []


def test_counting_falls_back_to_memory_and_returns_to_a_restarted_redis(redis: RedisServer) -> None:
    storage = RedisStorageWithFallback(storage_uri(redis.url))
    assert storage.incr_many([("a", 60)]) == [1]
    redis.kill()
    assert storage.incr_many([("a", 60), ("b", 60)]) == [1, 1]  # in memory
    redis.start()
    assert storage.is_using_fallback
    time.sleep(RETRY_EVERY_S)
    assert storage.incr_many([("a", 60), ("a", 60)]) == [1, 2]  # Redis has lost its script too
    assert not storage.is_using_fallback


def test_a_new_window_begins_after_the_last_one_ended() -> None:
    storage = MemoryStorage()
    assert storage.incr("key", 60, amount=3) == 3
    assert 59 < storage.get_expiry("key") - time.time() <= 60
    storage._windows["key"].ends_at_s = time.monotonic()
    assert storage.get("key") == 0
    assert storage.incr("key", 60) == 1


def test_setting_the_clock_moves_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    storage.incr("key", 60)
    now_s = time.time()
    monkeypatch.setattr(rate_limit_storage.time, "time", lambda: now_s + 86_400)
    assert storage.incr("key", 60) == 2
    monkeypatch.setattr(rate_limit_storage.time, "time", lambda: now_s - 86_400)
    assert storage.incr("key", 60) == 3


def test_ended_windows_are_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    for number in range(100):
        storage.incr(f"key {number}", 1)
    now_s = time.monotonic()
    monkeypatch.setattr(rate_limit_storage.time, "monotonic", lambda: now_s + 61)
    storage.incr("another", 1)
    assert len(storage._windows) == 1


def test_sixteen_threads_get_exactly_what_the_limit_allows(
    tmp_path: Path, golden: GoldenSet
) -> None:
    with bootstrapped_app(make_config(tmp_path, RATELIMIT_V2="20 per day")) as app:
        ana = register_user(app, "ana")
        assert ana.predict("v2", golden.png(0)).status_code == 200  # through Flask
        answers = run_concurrently(16, lambda: ana.predict("v2", golden.png(1)))
        answers += run_concurrently(16, lambda: ana.predict("v2", golden.png(1)))
        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(200), statuses.count(429)) == (19, 13)
