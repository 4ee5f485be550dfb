"""The traffic split, cached by each process."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from app.domain.assignment import TrafficSplit
from app.services.experiments import lifecycle

CACHE_TTL_S = 1.0


class SplitCache:
    """Caches the traffic split of this process for a second.

    One thread refreshes it, the others wait for its result. A failure is shared with those who
    waited: each of them would wait for the same database timeout. It is not cached beyond that
    (tests/services/experiments/test_split_cache.py).
    """

    def __init__(self, app_context: Callable[[], AbstractContextManager[object]]) -> None:
        self._app_context = app_context
        self._lock = threading.Lock()
        self._split: TrafficSplit | None = None
        self._refreshed_at_s = 0.0
        self._error: Exception | None = None
        self._failed_at_s = 0.0

    def current(self) -> TrafficSplit:
        """Return the traffic split; a refresh also advances the running experiment.

        Raise Unavailable before the first experiment, and what the database raises.
        """
        called_at_s = time.monotonic()
        with self._lock:
            if self._error is not None and self._failed_at_s > called_at_s:
                raise self._error
            split = self._split
            if split is None or called_at_s - self._refreshed_at_s > CACHE_TTL_S:
                split = self._load()
                self._split, self._refreshed_at_s, self._error = split, called_at_s, None
            return split

    def _load(self) -> TrafficSplit:
        try:
            with self._app_context():
                lifecycle.advance()
                return lifecycle.current_split()
        except Exception as error:
            self._error, self._failed_at_s = error, time.monotonic()
            raise

    def invalidate(self) -> None:
        """Refresh the split at the next request, after this process has changed it."""
        with self._lock:
            self._split = None
