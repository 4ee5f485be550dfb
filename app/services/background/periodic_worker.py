"""Work that is done periodically, and at once when triggered, until the process stops."""

import atexit
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from app.services.background.database_outage import RETRY_DELAY_S, DatabaseOutage

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

    def stop(self, timeout_s: float | None = None) -> None:
        """Stop the thread after its current work; waits for that, up to a timeout.

        Work that still waits for another machine then, such as a mail server, is interrupted.
        """
        self._stop_event.set()
        self._wake_event.set()
        if self._thread is not None:
            self._thread.join(self._stop_timeout_s if timeout_s is None else timeout_s)
        atexit.unregister(self.stop)

    def _run(self) -> None:
        def work() -> None:
            with self._context():
                self._work(self._stop_event)

        run_until_stopped(self._name, self._every_s, work, self._wake_event, self._stop_event)


def run_until_stopped(
    name: str,
    every_s: float,
    work: Callable[[], None],
    wake_event: threading.Event,
    stop_event: threading.Event,
) -> None:
    """Do the work every so many seconds, and whenever `wake_event` is set, until `stop_event` is.

    Set both events to stop at once. An error ends one turn only, whichever it is.
    """
    outage = DatabaseOutage(name)
    while True:
        wake_event.wait(timeout=every_s)
        wake_event.clear()
        if stop_event.is_set():
            return
        try:
            is_done = outage.attempt(work)
        except Exception:  # noqa: BLE001  the outermost frame of this thread
            _log.exception("%s: unhandled exception", name)
            is_done = False
        if not is_done:
            stop_event.wait(RETRY_DELAY_S)  # so that a lasting failure does not fill the log
