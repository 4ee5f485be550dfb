"""Batch what concurrent threads ask for: one of them processes the requests of all.

This is the combining pattern (flat combining): a batch costs little more than one request, while
threads that each did their own work would only take turns on the interpreter lock.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.domain.errors import Unavailable

LINGER_EVERY = 16  # batches

_Request = TypeVar("_Request")
_Result = TypeVar("_Result")


@dataclass
class _Pending(Generic[_Request, _Result]):
    """A thread's request; `woken` is held until it has a result, or the thread is to lead."""

    request: _Request
    woken: threading.Lock = field(default_factory=threading.Lock)
    result: "_Result | Exception | None" = None
    is_done: bool = False


class RequestBatcher(Generic[_Request, _Result]):
    """Processes requests of concurrent threads in batches, without a thread of its own.

    A thread that arrives while there is no leader becomes the leader: it processes everything
    queued so far, its own request included, and then hands the lead to the first thread that is
    still waiting. A thread that is alone processes its own request without waiting.

    Invariants, held by tests/services/predictions/test_request_batcher.py: there is at most one
    leader; `_has_leader` is true as long as the queue is not empty; and every queued thread is
    woken once, with a result or to lead, even if the leader is ended by an exception.
    """

    def __init__(
        self,
        process: Callable[[Sequence[_Request]], Sequence[_Result | Exception]],
        max_batch_size: int,
    ) -> None:
        """Process up to `max_batch_size` requests at once.

        `process` returns one result or exception for each request, in their order.
        """
        self._process, self._max_batch_size = process, max_batch_size
        self._lock = threading.Lock()
        self._queue: list[_Pending[_Request, _Result]] = []
        self._has_leader = self._is_contended = False
        self._batches = 0

    def submit(self, request: _Request) -> _Result:
        """Process a request and return its result; raises the result if it is an exception."""
        pending: _Pending[_Request, _Result] = _Pending(request)
        pending.woken.acquire()
        with self._lock:
            self._queue.append(pending)
            is_leader, self._has_leader = not self._has_leader, True
        if not is_leader:
            pending.woken.acquire()  # until there is a result, or it is this thread's turn to lead
        if not pending.is_done:
            self._process_batch()
        if isinstance(pending.result, Exception):
            raise pending.result
        return pending.result  # type: ignore[return-value]  # not None once it is done

    def _process_batch(self) -> None:
        self._linger()
        with self._lock:
            batch = self._queue[: self._max_batch_size]
            self._is_contended = len(batch) > 1
            del self._queue[: self._max_batch_size]
        results: Sequence[_Result | Exception] = []
        try:
            results = self._process([pending.request for pending in batch])
        except Exception as error:  # noqa: BLE001  not swallowed: raised in every waiting thread
            results = [error] * len(batch)
        finally:  # a BaseException ends this thread, but must not leave the others waiting
            results = results or [Unavailable("The server is shutting down")] * len(batch)
            with self._lock:
                next_leader = self._queue[0] if self._queue else None
                self._has_leader = next_leader is not None
            for pending, result in zip(batch, results, strict=True):
                pending.result, pending.is_done = result, True
                pending.woken.release()
            if next_leader is not None:
                next_leader.woken.release()

    def _linger(self) -> None:
        """Yield to threads that are about to submit, as long as more of them do.

        For a lone thread a yield costs more than some requests do. So it is done only while the
        last batch had several requests, and otherwise once in LINGER_EVERY batches, to notice
        when there are other threads again.
        """
        self._batches += 1
        if not self._is_contended and self._batches % LINGER_EVERY:
            return
        before, now = -1, len(self._queue)
        while before < now < self._max_batch_size:
            time.sleep(0)
            before, now = now, len(self._queue)
