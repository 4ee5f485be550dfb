"""Where calls are counted: fixed windows, for Flask-Limiter and what goes past it.

In this process, or in Redis for all of them. The library's own storage in memory starts a thread at
each call and counts inexactly under many; its way out of a dead Redis is not for what goes past it.
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

MEMORY_URI = "windows://"
EVICT_EVERY_S = 60.0
TIMEOUT_S = 0.25  # with Redis; a request waits no longer
RETRY_EVERY_S = 2.0
MAX_CACHED_EXPIRIES = 10_000

Hits = Sequence[tuple[str, int]]
"""Windows by key, and how many seconds each lasts."""

_Result = TypeVar("_Answer")
_log = logging.getLogger(__name__)


def storage_uri(redis_url: str | None) -> str:
    """Where windows are kept, as Flask-Limiter is told."""
    return MEMORY_URI if redis_url is None else f"windows+{redis_url}"


@dataclass
class _Window:
    ends_at_s: float
    count: int = 0


class MemoryStorage(Storage):
    """Counts under one lock; a clock that is set forward or back moves no window."""

    STORAGE_SCHEME = ["windows"]  # noqa: RUF012  the library's name and type

    def __init__(self, uri: str | None = None, **_: float | str | bool) -> None:
        super().__init__(uri)
        self._counting = threading.Lock()
        self._windows: dict[str, _Window] = {}
        self._evicted_at_s = time.monotonic()

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What may go wrong: nothing."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count in a window, which begins with the first call and lasts `expiry` seconds."""
        with self._counting:
            return self._count(key, expiry, amount)

    def incr_many(self, wanted: Hits) -> list[int]:
        """Count one call in each of these windows, in their order."""
        with self._counting:
            return [self._count(key, expiry, 1) for key, expiry in wanted]

    def _count(self, key: str, expiry: int, amount: int) -> int:
        now_s = time.monotonic()
        window = self._windows.get(key)
        if window is None or window.ends_at_s <= now_s:
            window = self._windows[key] = _Window(now_s + expiry)
            self._evict_expired(now_s)
        window.count += amount
        return window.count

    def get(self, key: str) -> int:
        """What was counted in a window."""
        window = self._windows.get(key)
        return 0 if window is None or window.ends_at_s <= time.monotonic() else window.count

    def get_expiry(self, key: str) -> float:
        """When a window ends, in seconds of Unix time."""
        window, now_s = self._windows.get(key), time.monotonic()
        return time.time() + (0.0 if window is None else max(0.0, window.ends_at_s - now_s))

    def check(self) -> bool:
        """Whether it works."""
        return True

    def reset(self) -> int:
        """Forget all windows; returns how many there were."""
        with self._counting:
            count = len(self._windows)
            self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget a window."""
        with self._counting:
            self._windows.pop(key, None)

    def _evict_expired(self, now_s: float) -> None:
        """Forget the windows that have ended, now and then, so that they do not add up."""
        if now_s - self._evicted_at_s > EVICT_EVERY_S:
            self._evicted_at_s = now_s
            for key in [key for key, window in self._windows.items() if window.ends_at_s <= now_s]:
                del self._windows[key]


class RedisStorageWithFallback(Storage):
    """Counts in Redis, once for all processes; while that does not answer, each for itself.

    One call in two seconds asks it again.
    """

    STORAGE_SCHEME = ["windows+redis", "windows+rediss"]  # noqa: RUF012  as above

    def __init__(self, uri: str, **_: float | str | bool) -> None:
        super().__init__(uri)
        options = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
        url = uri.removeprefix("windows+")
        self._shared = RedisStorage(url, retry=Retry(NoBackoff(), 0), **options)  # type: ignore[arg-type]
        self._redis = cast("Redis", self._shared.get_connection())
        self._here = MemoryStorage()
        self._ask_again_at_s: float | None = None
        self._expiries_s: dict[str, float] = {}

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What may go wrong: nothing that is not borne."""
        return ()

    @property
    def is_using_fallback(self) -> bool:
        """Whether each process counts for itself at the moment."""
        return self._ask_again_at_s is not None

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count in a window, which begins with the first call and lasts `expiry` seconds."""
        return self._with_fallback(lambda storage: storage.incr(key, expiry, amount))

    def incr_many(self, wanted: Hits) -> list[int]:
        """Count one call in each of these windows, in their order; Redis is asked once for all."""
        return self._with_fallback(
            lambda storage: (
                self._here.incr_many(wanted)
                if storage is self._here
                else self._incr_in_redis(wanted)
            )
        )

    def _incr_in_redis(self, wanted: Hits) -> list[int]:
        found = self._send(wanted)
        if any(isinstance(each, NoScriptError) for each in found):  # a Redis begun anew; none ran
            self._redis.script_load(self._shared.SCRIPT_INCR_EXPIRE)
            found = self._send(wanted)
        for each in found:
            if isinstance(each, RedisError):
                raise each
        return [int(each) for each in found]

    def _send(self, wanted: Hits) -> list[Any]:
        """The library's own script for each window, all in one message."""
        pipeline = self._redis.pipeline(transaction=False)
        for key, expiry in wanted:
            name = self._shared.prefixed_key(key)
            pipeline.evalsha(self._shared.lua_incr_expire.sha, 1, name, str(expiry), "1")
        answers: list[Any] = pipeline.execute(raise_on_error=False)
        return answers

    def get(self, key: str) -> int:
        """What was counted in a window."""
        return self._with_fallback(lambda storage: storage.get(key))

    def get_expiry(self, key: str) -> float:
        """When a window ends, in seconds of Unix time; Redis is asked once for each."""
        ends_at_s = self._expiries_s.get(key, 0.0)
        if ends_at_s <= time.time():
            ends_at_s = self._with_fallback(lambda storage: storage.get_expiry(key))
            if len(self._expiries_s) >= MAX_CACHED_EXPIRIES:
                self._expiries_s.clear()
            self._expiries_s[key] = ends_at_s
        return ends_at_s

    def check(self) -> bool:
        """Whether Redis answers."""
        return bool(self._shared.check())

    def reset(self) -> int | None:
        """Forget all windows; returns how many there were."""
        self._expiries_s.clear()
        return self._with_fallback(lambda storage: storage.reset())

    def clear(self, key: str) -> None:
        """Forget a window."""
        self._expiries_s.pop(key, None)
        self._with_fallback(lambda storage: storage.clear(key))

    def _with_fallback(self, ask: Callable[[Storage], _Result]) -> _Result:
        again_at_s, now_s = self._ask_again_at_s, time.monotonic()
        if again_at_s is not None and now_s < again_at_s:
            return ask(self._here)
        if again_at_s is not None:  # the others go on by themselves while this call asks
            self._ask_again_at_s = now_s + RETRY_EVERY_S
        try:
            answer = ask(self._shared)
        except RedisError as error:
            if again_at_s is None:
                _log.warning("limits are counted by each process: %s", type(error).__name__)
            self._ask_again_at_s = time.monotonic() + RETRY_EVERY_S
            return ask(self._here)
        if again_at_s is not None:
            _log.warning("limits are counted in Redis again")
            self._ask_again_at_s = None
        return answer
