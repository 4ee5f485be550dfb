"""How long requests take while something else runs, and whether a condition comes to hold."""

import math
import time
from collections.abc import Callable

import requests

from tests.support.meanwhile import Meanwhile

POLL_INTERVAL_S = 0.02


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
