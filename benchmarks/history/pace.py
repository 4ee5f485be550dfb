"""The pace of a run: everything is planned by the number of predictions that users have sent."""

import math
from collections.abc import Iterable, Iterator
from threading import Event

from benchmarks.history.plan import Step
from benchmarks.history.trace import Recorder

POLL_S = 0.02


class Pace:
    """Makes clients wait for each other, and for the faults, so that these are spread evenly."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self.is_over = recorder, Event()
        self.limit = math.inf  # predictions that may be sent before the next fault is over

    @property
    def sent(self) -> int:
        """The number of predictions that were sent."""
        return self._recorder.count("predict")

    def wait_for(self, predictions: int) -> bool:
        """Wait until that many were sent; returns whether the run still goes on."""
        while self.sent < predictions:
            if self.is_over.wait(POLL_S):
                return False
        return not self.is_over.is_set()

    def hold(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Yield steps, waiting while as many predictions were sent as the limit allows."""
        for step in steps:
            while self.sent >= self.limit and not self.is_over.is_set():
                self.is_over.wait(POLL_S)
            if self.is_over.is_set():
                return
            yield step
