"""Serve the HTTP routes with granian: `python serve_granian.py`.

It accepts no live connections: dashboards connect to the service of `make serve-live`. Apart from
that it is the application that gunicorn.conf.py serves in one process; granian's own cost for each
request is a third of gunicorn's.
"""

import ctypes
import gc
import multiprocessing
import os
import signal
import sys

from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces

from config import Config
from logging_config import configure_logging, logging_settings

_PR_SET_PDEATHSIG = 1  # of Linux's prctl.h


def main() -> None:
    """Serve until the process is terminated; requests wait while a worker starts."""
    config = Config.from_env()
    Granian(
        "serve_granian:load",
        factory=True,
        interface=Interfaces.WSGI,
        address=config.host,
        port=config.port,
        workers=config.web_workers,
        blocking_threads=config.web_threads - config.live_sockets,
        backpressure=1024,
        log_dictconfig=logging_settings(config.log_format, config.log_level),
        workers_kill_timeout=10,
        # Without TLS it would speak HTTP/2 too, whose streams keep threads waiting for good.
        http=HTTPModes.http1,
        respawn_failed_workers=True,
        respawn_interval=0.5,
    ).serve()


def load() -> Flask:
    """Create the application of a worker, ready for its first request."""
    _end_with_parent()
    gc.disable()  # the imports make little garbage; `start` turns it on again
    from app.bootstrap import start  # noqa: PLC0415
    from app.domain.errors import CifraError  # noqa: PLC0415
    from app.factory import create_app  # noqa: PLC0415  not in the parent process

    config = Config.from_env()
    configure_logging(config.log_format, config.log_level)
    app = create_app(config, live=False)
    try:
        start(app)
    except CifraError as error:
        sys.exit(f"cifra: {error.message}")
    return app


def _end_with_parent() -> None:
    """End this worker when the parent process ends, however and whenever it ended.

    Workers share their port with whoever listens on it next: an orphan would answer in its place.
    """
    # The handler that comes with the fork is the parent's, which only sets a flag there; granian
    # installs the worker's own once the application is loaded.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        sys.exit(0)


if __name__ == "__main__":
    main()
