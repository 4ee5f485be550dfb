"""Signals that Python's handlers would miss."""

import signal
import threading
import time

_WAKE_INTERVAL_S = 1.0


def handle_signals_of_any_thread() -> None:
    """Have Python's signal handlers run soon whichever thread a signal was delivered to.

    They run in the main thread, and granian leaves that waiting without end: a SIGTERM that the
    kernel gives to another thread would be lost. For a process whose main thread waits like this.
    """
    main_thread = threading.main_thread().ident
    assert main_thread is not None  # noqa: S101  for the type checker

    def wake() -> None:
        while True:
            time.sleep(_WAKE_INTERVAL_S)
            signal.pthread_kill(main_thread, signal.SIGURG)

    signal.signal(signal.SIGURG, lambda *_: None)
    threading.Thread(target=wake, name="signals", daemon=True).start()
