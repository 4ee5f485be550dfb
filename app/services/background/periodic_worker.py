"""A background thread that does a piece of work whenever it is woken, and every so often anyway."""

import atexit
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

RETRY_DELAY_S = 2.0  # so that what lasts does not fill the log

_log = logging.getLogger(__name__)


class PeriodicWorker:
    """Does its work in an application context of its own.

    Started by the first `wake` in this process, so that no thread is lost in a fork. What the work
    raises is logged; it is done again at the next turn. The process ends it before the interpreter
    is torn down, for a thread that is inside ONNX Runtime then would abort it; long work is handed
    the event that says so.
    """

    def __init__(
        self,
        name: str,
        every_s: float,
        context: Callable[[], AbstractContextManager[object]],
        work: Callable[[threading.Event], None],
        stop_timeout_s: float = 5.0,
    ) -> None:
        self._name, self._every_s, self._stop_timeout_s = name, every_s, stop_timeout_s
        self._context, self._work = context, work
        self._start_lock = threading.Lock()
        self._wake_event = threading.Event()
        self._thread: threading.Thread | None = None
        self._stop_event = threading.Event()

    def trigger(self) -> None:
        """Have the work done soon; returns at once."""
        self._wake_event.set()
        with self._start_lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
                atexit.register(self.stop)

    def stop(self) -> None:
        """Let the thread end after the work that it is at; returns when it has, or loses patience.

        What still waits then for another machine, such as a mail server, is cut off.
        """
        self._stop_event.set()
        self._wake_event.set()
        if self._thread is not None:
            self._thread.join(self._stop_timeout_s)
        atexit.unregister(self.stop)

    def _run(self) -> None:
        while True:
            self._wake_event.wait(timeout=self._every_s)
            self._wake_event.clear()
            if self._stop_event.is_set():
                return
            try:
                with self._context():
                    self._work(self._stop_event)
            except (OperationalError, PoolTimeoutError) as error:  # it says what is the matter
                _log.warning("%s: the database did not answer: %s", self._name, _first_line(error))
                self._stop_event.wait(RETRY_DELAY_S)
            except Exception:  # noqa: BLE001  the outermost frame of this thread
                _log.exception("%s: its work could not be done", self._name)
                self._stop_event.wait(RETRY_DELAY_S)


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
