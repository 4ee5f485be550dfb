"""A background thread that does its work periodically, and at once when triggered."""

import atexit
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

RETRY_DELAY_S = 2.0  # so that a lasting failure does not fill the log

_log = logging.getLogger(__name__)


class PeriodicWorker:
    """Does its work on a thread, each time in an application context of its own.

    The first `trigger` in a process starts the thread, since threads do not survive a fork. An
    exception is logged and the work is tried again at the next turn. The thread is stopped before
    the interpreter shuts down, since a thread that is inside ONNX Runtime at that moment would
    abort the process; long work gets the event that tells it to stop.
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
        """Start the thread if needed and have it do its work now; returns immediately."""
        self._wake_event.set()
        with self._start_lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
                atexit.register(self.stop)

    def stop(self) -> None:
        """Stop the thread after its current work; waits for that, up to the timeout.

        Work that still waits for another machine then, such as a mail server, is interrupted.
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
            except (OperationalError, PoolTimeoutError) as error:  # no traceback: its text says all
                _log.warning("%s: the database did not answer: %s", self._name, _first_line(error))
                self._stop_event.wait(RETRY_DELAY_S)
            except Exception:  # noqa: BLE001  the outermost frame of this thread
                _log.exception("%s: unhandled exception", self._name)
                self._stop_event.wait(RETRY_DELAY_S)


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
