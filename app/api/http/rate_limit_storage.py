"""Storages of rate limits: fixed windows, for Flask-Limiter and for the fast path.

They count in this process, or in Redis for all processes. The storages of `limits` (5.8.0) do not
do: its `MemoryStorage` starts a timer thread at each call and reads the count outside its lock, so
it is inexact under many threads; and Flask-Limiter's fallback from Redis works only for requests
that go through Flask-Limiter, which those of the fast path do not.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from limits.storage import RedisStorage, Storage
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

MEMORY_URI = "cifra-memory://"
EVICT_EVERY_S = 60.0
TIMEOUT_S = 0.25  # of Redis; the longest that it can delay a request
RETRY_EVERY_S = 2.0
MAX_CACHED_EXPIRIES = 10_000

Hits = Sequence[tuple[str, int]]
"""The windows to count in: their keys, and how many seconds each lasts."""

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


def storage_uri(redis_url: str | None) -> str:
    """Return the URI of the storage for Flask-Limiter."""
    return MEMORY_URI if redis_url is None else f"cifra+{redis_url}"


@dataclass
class _Window:
    ends_at_s: float
    count: int = 0


class MemoryStorage(Storage):
    """Counts in this process, exactly: each count is made under one lock.

    Windows end by the monotonic clock, so setting the system clock moves none of them.
    `test_sixteen_threads_count_every_call` and `test_setting_the_clock_moves_no_window` hold both.
    """

    STORAGE_SCHEME = ["cifra-memory"]  # noqa: RUF012  the library's name and type

    def __init__(self, uri: str | None = None, **_: float | str | bool) -> None:
        super().__init__(uri)
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}
        self._evicted_at_s = time.monotonic()

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """Return the exceptions that this storage raises: none."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count in a window, which begins with its first hit and lasts `expiry` seconds."""
        with self._lock:
            return self._count(key, expiry, amount)

    def incr_many(self, hits: Hits) -> list[int]:
        """Count one hit in each of these windows, in this order; return the counts."""
        with self._lock:
            return [self._count(key, expiry, 1) for key, expiry in hits]

    def _count(self, key: str, expiry: int, amount: int) -> int:
        now_s = time.monotonic()
        window = self._windows.get(key)
        if window is None or window.ends_at_s <= now_s:
            window = self._windows[key] = _Window(now_s + expiry)
            self._evict_expired(now_s)
        window.count += amount
        return window.count

    def get(self, key: str) -> int:
        """Return the count of a window."""
        window = self._windows.get(key)
        return 0 if window is None or window.ends_at_s <= time.monotonic() else window.count

    def get_expiry(self, key: str) -> float:
        """Return when a window ends, in seconds of Unix time."""
        window, now_s = self._windows.get(key), time.monotonic()
        return time.time() + (0.0 if window is None else max(0.0, window.ends_at_s - now_s))

    def check(self) -> bool:
        """Return True: it always works."""
        return True

    def reset(self) -> int:
        """Delete all windows; return how many there were."""
        with self._lock:
            count = len(self._windows)
            self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        """Delete a window."""
        with self._lock:
            self._windows.pop(key, None)

    def _evict_expired(self, now_s: float) -> None:
        """Delete ended windows once a minute, so that they do not fill the memory."""
        if now_s - self._evicted_at_s > EVICT_EVERY_S:
            self._evicted_at_s = now_s
            for key in [key for key, window in self._windows.items() if window.ends_at_s <= now_s]:
                del self._windows[key]


class RedisStorageWithFallback(Storage):
    """Counts in Redis for all processes; while Redis does not answer, in each process.

    It is a circuit breaker. The first error opens it: hits are then counted in memory, without
    waiting for Redis. Every `RETRY_EVERY_S` one request tries Redis, while the others go on in
    memory, and closes it if that succeeds. So in an outage few requests wait, and none longer than
    `TIMEOUT_S` for each step. Neither side knows what the other has counted.
    `test_counting_falls_back_to_memory_and_returns_to_a_restarted_redis` holds the transitions.
    """

    STORAGE_SCHEME = ["cifra+redis", "cifra+rediss"]  # noqa: RUF012  as above

    def __init__(self, uri: str, **_: float | str | bool) -> None:
        super().__init__(uri)
        options = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
        url = uri.removeprefix("cifra+")
        self._redis_storage = RedisStorage(url, retry=Retry(NoBackoff(), 0), **options)  # type: ignore[arg-type]
        self._redis = cast("Redis", self._redis_storage.get_connection())
        self._memory = MemoryStorage()
        self._retry_at_s: float | None = None
        self._expiries_s: dict[str, float] = {}

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """Return the exceptions that this storage raises: none, it handles those of Redis."""
        return ()

    @property
    def is_using_fallback(self) -> bool:
        """Return whether hits are counted in this process at the moment."""
        return self._retry_at_s is not None

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count in a window, which begins with its first hit and lasts `expiry` seconds."""
        return self._with_fallback(lambda storage: storage.incr(key, expiry, amount))

    def incr_many(self, hits: Hits) -> list[int]:
        """Count one hit in each of these windows, in this order, in one round trip to Redis."""
        return self._with_fallback(
            lambda storage: (
                self._memory.incr_many(hits)
                if storage is self._memory
                else self._incr_in_redis(hits)
            )
        )

    def _incr_in_redis(self, hits: Hits) -> list[int]:
        counts = self._run_scripts(hits)
        # A restarted Redis has lost the script. It then ran for none of the windows, because all
        # are in one message, so running all again counts nothing twice.
        if any(isinstance(each, NoScriptError) for each in counts):
            self._redis.script_load(self._redis_storage.SCRIPT_INCR_EXPIRE)
            counts = self._run_scripts(hits)
        for each in counts:
            if isinstance(each, RedisError):
                raise each
        return [int(each) for each in counts]

    def _run_scripts(self, hits: Hits) -> list[Any]:
        """Run the library's own script for each window, all in one message.

        Results and errors are returned side by side, for the caller to tell apart.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for key, expiry in hits:
            name = self._redis_storage.prefixed_key(key)
            pipeline.evalsha(self._redis_storage.lua_incr_expire.sha, 1, name, str(expiry), "1")
        results: list[Any] = pipeline.execute(raise_on_error=False)
        return results

    def get(self, key: str) -> int:
        """Return the count of a window."""
        return self._with_fallback(lambda storage: storage.get(key))

    def get_expiry(self, key: str) -> float:
        """Return when a window ends, in seconds of Unix time.

        Redis is asked once for each window, because a window's end never changes.
        """
        ends_at_s = self._expiries_s.get(key, 0.0)
        if ends_at_s <= time.time():
            ends_at_s = self._with_fallback(lambda storage: storage.get_expiry(key))
            if len(self._expiries_s) >= MAX_CACHED_EXPIRIES:
                self._expiries_s.clear()
            self._expiries_s[key] = ends_at_s
        return ends_at_s

    def check(self) -> bool:
        """Return whether Redis answers."""
        return bool(self._redis_storage.check())

    def reset(self) -> int | None:
        """Delete all windows; return how many there were."""
        self._expiries_s.clear()
        return self._with_fallback(lambda storage: storage.reset())

    def clear(self, key: str) -> None:
        """Delete a window."""
        self._expiries_s.pop(key, None)
        self._with_fallback(lambda storage: storage.clear(key))

    def _with_fallback(self, operate: Callable[[Storage], _Result]) -> _Result:
        """Run an operation on Redis, or in memory if Redis does not answer.

        `_retry_at_s` is None while the circuit is closed. It is read and set without a lock: at
        worst two requests try Redis at the same time.
        """
        retry_at_s, now_s = self._retry_at_s, time.monotonic()
        if retry_at_s is not None and now_s < retry_at_s:
            return operate(self._memory)
        if retry_at_s is not None:  # the other threads stay in memory while this one tries
            self._retry_at_s = now_s + RETRY_EVERY_S
        try:
            result = operate(self._redis_storage)
        except RedisError as error:
            if retry_at_s is None:
                _log.warning("limits are counted by each process: %s", type(error).__name__)
            self._retry_at_s = time.monotonic() + RETRY_EVERY_S
            return operate(self._memory)
        if retry_at_s is not None:
            _log.warning("limits are counted in Redis again")
            self._retry_at_s = None
        return result
