"""What a server's memory grows by, how long requests take, whether a condition comes to hold."""

import math
import time
from collections.abc import Callable

import requests

from tests.support.meanwhile import Meanwhile
from tests.support.process_usage import memory_bytes

POLL_INTERVAL_S = 0.02
MEMORY_INTERVAL_S = 0.1
MAX_KEPT_MB = 30  # above idle: as good as given back
_MB = 1_000_000


class IdleServer:
    """The memory that a server's processes have while it does nothing, for comparison."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._idle_bytes = memory_bytes(pid)

    def megabytes_above(self, bytes_now: int) -> float:
        """Return how much more memory that is than the idle server has; never below 0."""
        return max(0, bytes_now - self._idle_bytes) / _MB

    def seconds_until_given_back(self, timeout_s: float) -> float:
        """Wait until the server has its idle memory again; return for how long, or infinity."""
        started_at_s = time.monotonic()
        is_given_back = holds_within(
            timeout_s,
            lambda: self.megabytes_above(memory_bytes(self.pid)) <= MAX_KEPT_MB,
            MEMORY_INTERVAL_S,
        )
        return time.monotonic() - started_at_s if is_given_back else math.inf


def timed(send: Callable[[], requests.Response]) -> Callable[[], float]:
    """Return a call that sends a request and returns the seconds that its 200 took.

    It raises HTTPError if the status is another one.
    """

    def call() -> float:
        started_at_s = time.perf_counter()
        response = send()
        if response.status_code != 200:
            raise requests.HTTPError(response.text, response=response)
        return time.perf_counter() - started_at_s

    return call


def longest(calls: Meanwhile) -> float:
    """Return the longest time of timed calls in seconds; infinity if one failed."""
    return max(each if isinstance(each, float) else math.inf for each in calls.found)


def holds_within(
    timeout_s: float, condition: Callable[[], bool], interval_s: float = POLL_INTERVAL_S
) -> bool:
    """Wait for a condition; return whether it came to hold in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(interval_s)
    return True
