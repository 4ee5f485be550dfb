"""A call that is made again and again while something else runs."""

import threading
from collections.abc import Callable
from typing import Any, Self


class Meanwhile:
    """Make a call, at least once, until the block ends; `found` is what it returned or raised."""

    def __init__(self, call: Callable[[], object], interval_s: float = 0.2) -> None:
        self._call, self._interval_s = call, interval_s
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._run)
        self.found: list[Any] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self.found.append(self._call())
            except OSError as error:  # of requests too
                self.found.append(error)
            if self._stop.wait(self._interval_s):
                return
