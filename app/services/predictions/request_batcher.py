"""Work that several threads ask for at the same time, done at once by one of them."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.domain.errors import Unavailable

TRIED_EVERY = 16  # groups

_Asked = TypeVar("_Asked")
_Answered = TypeVar("_Answered")


@dataclass
class _Slip(Generic[_Asked, _Answered]):
    """What one thread asks; `woken` is held until it is answered, or until it is to work."""

    asked: _Asked
    woken: threading.Lock = field(default_factory=threading.Lock)
    answer: "_Answered | Exception | None" = None
    is_done: bool = False


class Combiner(Generic[_Asked, _Answered]):
    """Does what threads ask for, a group at a time; no thread is kept for it.

    Whoever comes while nobody works does so at once, for all who wait by then, and names a
    successor. Alone, a thread works for itself and waits for nobody.
    """

    def __init__(
        self, work: Callable[[Sequence[_Asked]], Sequence[_Answered | Exception]], most: int
    ) -> None:
        """Answer up to `most` at a time by `work`, in their order; errors are raised."""
        self._work, self._most = work, most
        self._queueing = threading.Lock()
        self._queue: list[_Slip[_Asked, _Answered]] = []
        self._is_working = self._is_shared = False
        self._groups = 0

    def do(self, asked: _Asked) -> _Answered:
        """Have something done, and wait for it. Raises what it came to."""
        slip: _Slip[_Asked, _Answered] = _Slip(asked)
        slip.woken.acquire()
        with self._queueing:
            self._queue.append(slip)
            works, self._is_working = not self._is_working, True
        if not works:
            slip.woken.acquire()  # until it is done, or this thread's turn to work
        if not slip.is_done:
            self._work_for_all()
        if isinstance(slip.answer, Exception):
            raise slip.answer
        return slip.answer  # type: ignore[return-value]  # not None once it is done

    def _work_for_all(self) -> None:
        self._let_others_come()
        with self._queueing:
            group = self._queue[: self._most]
            self._is_shared = len(group) > 1
            del self._queue[: self._most]
        answers: Sequence[_Answered | Exception] = []
        try:
            answers = self._work([slip.asked for slip in group])
        except Exception as error:  # noqa: BLE001  not swallowed: everybody who asked is told
            answers = [error] * len(group)
        finally:  # whatever happens to this thread, nobody may wait for it
            answers = answers or [Unavailable("The server ends")] * len(group)
            with self._queueing:
                successor = self._queue[0] if self._queue else None
                self._is_working = successor is not None
            for slip, answer in zip(group, answers, strict=True):
                slip.answer, slip.is_done = answer, True
                slip.woken.release()
            if successor is not None:
                successor.woken.release()

    def _let_others_come(self) -> None:
        """Give way to threads that are about to ask, as long as more of them do.

        It costs a thread that is alone more than some work does, so it is only tried now and then
        until it is of use.
        """
        self._groups += 1
        if not self._is_shared and self._groups % TRIED_EVERY:
            return
        before, now = -1, len(self._queue)
        while before < now < self._most:
            time.sleep(0)
            before, now = now, len(self._queue)
