"""Rate limits: who is counted as one client, and the limits that routes name."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import cast

from flask import request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, parse_many

from app.api.http.authentication import current_user_or_none
from app.api.http.container import container
from app.api.http.rate_limit_storage import MemoryStorage, RedisStorageWithFallback


def client_key() -> str:
    """A good token is counted by its user, everything else (bad tokens too) by its address."""
    known = current_user_or_none()
    return f"address:{get_remote_address()}" if known is None else _user_key(known.user_id)


def _user_key(user_id: int) -> str:
    return f"user:{user_id}"


def default_limit() -> str:
    """What one client may ask of a route that has no limit of its own."""
    return container().config.ratelimit_default


limiter = Limiter(key_func=client_key, default_limits=[default_limit], headers_enabled=True)


@limiter.request_filter
def is_preflight() -> bool:
    """A browser's question whether it may ask costs nothing; it carries no token."""
    return request.method == "OPTIONS"


def is_using_fallback() -> bool:
    """Whether limits are counted in this process because their storage does not answer."""
    return limiter.enabled and bool(getattr(limiter.storage, "is_alone", False))


@dataclass(frozen=True)
class WindowStats:
    """A limit as one client meets it: how many calls, how many are left, until when (Unix time)."""

    amount: int
    left: int
    ends_at_s: float

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What the client is told of it, as Flask-Limiter tells it."""
        return [
            ("X-RateLimit-Limit", str(self.amount)),
            ("X-RateLimit-Remaining", str(self.left)),
            ("X-RateLimit-Reset", str(int(self.ends_at_s) + 1)),
            ("Retry-After", str(max(0, int(self.ends_at_s - time.time())))),
        ]


@dataclass(frozen=True)
class HitResult:
    """What a call came to: its shortest window; or the first that is full, with its limit's text.

    Without limits there is no window.
    """

    window: WindowStats | None = None
    full: str | None = None


def hit_many(calls: Sequence[tuple[int, str, str]]) -> list[HitResult]:
    """Count calls (user, view's endpoint, limit), in the windows that Flask-Limiter counts in.

    Each window of all calls together: in Redis that takes no longer than one. A call that finds a
    window full does not count in longer ones.
    """
    spent = [HitResult()] * len(calls)
    windows = [_keyed_limits(*call) if limiter.enabled else () for call in calls]
    for turn in range(max(map(len, windows), default=0)):
        counted = [
            (at, *its[turn])
            for at, its in enumerate(windows)
            if turn < len(its) and spent[at].full is None
        ]
        storage = cast("MemoryStorage | RedisStorageWithFallback", limiter.storage)
        counts = storage.incr_many([(key, item.get_expiry()) for _, item, key in counted])
        for (at, item, key), count in zip(counted, counts, strict=True):
            if count > item.amount or turn == 0:  # a call is told of one window
                left, ends_at_s = max(0, item.amount - count), storage.get_expiry(key)
                full = str(item) if count > item.amount else None
                spent[at] = HitResult(WindowStats(item.amount, left, ends_at_s), full)
    return spent


@lru_cache(maxsize=10_000)
def _keyed_limits(user_id: int, endpoint: str, limit: str) -> tuple[tuple[RateLimitItem, str], ...]:
    """The parts of a limit, each with the name that Flask-Limiter gives its window."""
    return tuple(
        (item, item.key_for(_user_key(user_id), endpoint)) for item in _parse_limits(limit)
    )


@cache
def _parse_limits(limit: str) -> list[RateLimitItem]:
    """The parts of a limit, the shortest window first."""
    return sorted(parse_many(limit))


def v1_limit() -> str:
    """What one client may ask of v1."""
    return container().config.ratelimit_v1


def v2_limit() -> str:
    """What one client may ask of v2."""
    return container().config.ratelimit_v2


def batch_limit() -> str:
    """How many pictures one client may send in batches."""
    return container().config.ratelimit_batch


def login_limit() -> str:
    """How often passwords and refresh tokens may be tried."""
    return container().config.ratelimit_login


def review_limit() -> str:
    """How often reviewers may ask for pictures and label them."""
    return container().config.ratelimit_review


def read_limit() -> str:
    """How often pages may read what they show."""
    return container().config.ratelimit_read
