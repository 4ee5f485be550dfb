"""Rate limits: what counts as one client, and the limits of the routes."""

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
    """Return the user of a valid token; the address of every other request (bad tokens too)."""
    user = current_user_or_none()
    return f"address:{get_remote_address()}" if user is None else _user_key(user.user_id)


def _user_key(user_id: int) -> str:
    return f"user:{user_id}"


def default_limit() -> str:
    """Return the limit of routes that have none of their own."""
    return container().config.ratelimit_default


limiter = Limiter(key_func=client_key, default_limits=[default_limit], headers_enabled=True)


@limiter.request_filter
def is_preflight() -> bool:
    """Exempt CORS preflight requests, which carry no token."""
    return request.method == "OPTIONS"


def is_using_fallback() -> bool:
    """Return whether limits are counted in this process because Redis does not answer."""
    return limiter.enabled and bool(getattr(limiter.storage, "is_using_fallback", False))


@dataclass(frozen=True)
class WindowStats:
    """A client's window: its limit, what remains of it, and when it resets (Unix time)."""

    limit: int
    remaining: int
    resets_at_s: float

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Return the response headers, the same as Flask-Limiter's."""
        return [
            ("X-RateLimit-Limit", str(self.limit)),
            ("X-RateLimit-Remaining", str(self.remaining)),
            ("X-RateLimit-Reset", str(int(self.resets_at_s) + 1)),
            ("Retry-After", str(max(0, int(self.resets_at_s - time.time())))),
        ]


@dataclass(frozen=True)
class HitResult:
    """The result of a hit: its shortest window, or the first exceeded one and that limit's text.

    If limits are disabled there is no window.
    """

    window: WindowStats | None = None
    exceeded: str | None = None


def hit_many(hits: Sequence[tuple[int, str, str]]) -> list[HitResult]:
    """Count hits (user id, view's endpoint, limit) in the windows that Flask-Limiter counts in.

    The hits are counted together, the shortest windows of all first, then the next longer ones: in
    Redis each round is one round trip. As in Flask-Limiter, a hit that exceeds a window is not
    counted in its longer ones, so that a client that keeps trying does not use up its day.
    `test_both_paths_count_in_the_same_windows` in tests/api/fastpath/test_middleware.py compares.
    """
    results = [HitResult()] * len(hits)
    limits = [_keyed_limits(*hit) if limiter.enabled else () for hit in hits]
    for round_ in range(max(map(len, limits), default=0)):
        pending = [
            (at, *its[round_])
            for at, its in enumerate(limits)
            if round_ < len(its) and results[at].exceeded is None
        ]
        storage = cast("MemoryStorage | RedisStorageWithFallback", limiter.storage)
        counts = storage.incr_many([(key, item.get_expiry()) for _, item, key in pending])
        for (at, item, key), count in zip(pending, counts, strict=True):
            if count > item.amount or round_ == 0:  # the headers describe one window
                remaining, resets_at_s = max(0, item.amount - count), storage.get_expiry(key)
                exceeded = str(item) if count > item.amount else None
                results[at] = HitResult(WindowStats(item.amount, remaining, resets_at_s), exceeded)
    return results


@lru_cache(maxsize=10_000)
def _keyed_limits(user_id: int, endpoint: str, limit: str) -> tuple[tuple[RateLimitItem, str], ...]:
    """Return the limits in a text, each with the key that Flask-Limiter gives its window."""
    return tuple(
        (item, item.key_for(_user_key(user_id), endpoint)) for item in _parse_limits(limit)
    )


@cache
def _parse_limits(limit: str) -> list[RateLimitItem]:
    """Return the limits in a text, the shortest window first."""
    return sorted(parse_many(limit))


def v1_limit() -> str:
    """Return the limit of v1."""
    return container().config.ratelimit_v1


def v2_limit() -> str:
    """Return the limit of v2."""
    return container().config.ratelimit_v2


def batch_limit() -> str:
    """Return the limit of images sent in batches."""
    return container().config.ratelimit_batch


def login_limit() -> str:
    """Return the limit of login and refresh attempts."""
    return container().config.ratelimit_login


def review_limit() -> str:
    """Return the limit of fetching and labeling review items."""
    return container().config.ratelimit_review


def read_limit() -> str:
    """Return the limit of reading what pages show."""
    return container().config.ratelimit_read
