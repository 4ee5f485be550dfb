"""Work that several threads ask for at the same time, done at once by one of them."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.domain.errors import Unavailable

LINGER_EVERY = 16  # groups

_Request = TypeVar("_Asked")
_Result = TypeVar("_Answered")


@dataclass
class _Pending(Generic[_Request, _Result]):
    """What one thread asks; `woken` is held until it is answered, or until it is to work."""

    request: _Request
    woken: threading.Lock = field(default_factory=threading.Lock)
    result: "_Result | Exception | None" = None
    is_done: bool = False


class RequestBatcher(Generic[_Request, _Result]):
    """Does what threads ask for, a group at a time; no thread is kept for it.

    Whoever comes while nobody works does so at once, for all who wait by then, and names a
    successor. Alone, a thread works for itself and waits for nobody.
    """

    def __init__(
        self,
        process: Callable[[Sequence[_Request]], Sequence[_Result | Exception]],
        max_batch_size: int,
    ) -> None:
        """Answer up to `most` at a time by `work`, in their order; errors are raised."""
        self._process, self._max_batch_size = process, max_batch_size
        self._lock = threading.Lock()
        self._queue: list[_Pending[_Request, _Result]] = []
        self._has_leader = self._is_contended = False
        self._batches = 0

    def submit(self, request: _Request) -> _Result:
        """Have something done, and wait for it. Raises what it came to."""
        pending: _Pending[_Request, _Result] = _Pending(request)
        pending.woken.acquire()
        with self._lock:
            self._queue.append(pending)
            is_leader, self._has_leader = not self._has_leader, True
        if not is_leader:
            pending.woken.acquire()  # until it is done, or this thread's turn to work
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
        except Exception as error:  # noqa: BLE001  not swallowed: everybody who asked is told
            results = [error] * len(batch)
        finally:  # whatever happens to this thread, nobody may wait for it
            results = results or [Unavailable("The server ends")] * len(batch)
            with self._lock:
                successor = self._queue[0] if self._queue else None
                self._has_leader = successor is not None
            for pending, result in zip(batch, results, strict=True):
                pending.result, pending.is_done = result, True
                pending.woken.release()
            if successor is not None:
                successor.woken.release()

    def _linger(self) -> None:
        """Give way to threads that are about to ask, as long as more of them do.

        It costs a thread that is alone more than some work does, so it is only tried now and then
        until it is of use.
        """
        self._batches += 1
        if not self._is_contended and self._batches % LINGER_EVERY:
            return
        before, now = -1, len(self._queue)
        while before < now < self._max_batch_size:
            time.sleep(0)
            before, now = now, len(self._queue)
