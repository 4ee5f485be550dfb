"""Gunicorn's configuration: one process with a thread for each request.

The master process imports nothing of the application: ONNX Runtime starts threads when it is
imported, and a fork loses them.
"""

import gc
import os
import signal
import sys
import threading
import time
from types import FrameType

from gunicorn.arbiter import Arbiter
from gunicorn.config import Config as GunicornConfig
from gunicorn.glogging import Logger
from gunicorn.http.errors import ParseException
from gunicorn.workers.base import Worker

from config import Config, ConfigError, check_workers
from logging_config import configure_logging
from serving.deadlines import Deadlines
from serving.drain import Drain
from serving.gunicorn_worker import RequestWorker
from serving.start_checks import check_start, keep_files_private
from serving.worker_process import (
    START_FAILED,
    end_with_parent,
    raise_open_files_limit,
    use_one_thread_for_arrays,
)

keep_files_private()
use_one_thread_for_arrays()
_config = Config.from_env()
_data_dir_lock = check_start(_config)


class GunicornLogger(Logger):
    """Gunicorn's logger, with our format; requests are logged by the application only."""

    def setup(self, cfg: GunicornConfig) -> None:
        """Configure logging for this process and those that it forks."""
        super().setup(cfg)
        configure_logging(_config.log_format, _config.log_level)


class StartingWorker(RequestWorker):
    """A worker whose failed start ends the server, which would start it again without end."""

    deadlines = Deadlines(_config.request_header_timeout_s, _config.request_body_timeout_s)

    def load_wsgi(self) -> None:
        """Import the application."""
        try:
            super().load_wsgi()
        except ConfigError as error:
            self.log.error("%s", error)  # noqa: TRY400  one line, no traceback
            sys.exit(START_FAILED)


wsgi_app = "wsgi:app"
logger_class = GunicornLogger
bind = _config.address
worker_class = StartingWorker
workers = _config.web_workers
threads = _config.web_threads
graceful_timeout = 10
keepalive = 30
control_socket_disable = True


def on_starting(server: Arbiter) -> None:
    """Check the number of workers, which may come from the command line; prepare to drain."""
    check_workers(server.cfg.workers, _config.redis_url)
    server.drain = Drain()
    server.handle_term = lambda: _drain(server)


def _drain(server: Arbiter) -> None:
    """Serve on for DRAIN_TIME_S, then stop; SIGINT or a second SIGTERM stops at once.

    Raises StopIteration, as gunicorn's own handler of SIGTERM does.
    """
    server.drain.begin()
    deadline_s = time.monotonic() + _config.drain_time_s
    if _config.drain_time_s:
        server.log.info("stopping in %s s; until then /readyz is 503", _config.drain_time_s)
    while (left_s := deadline_s - time.monotonic()) > 0:
        signals = server.wait_for_signals(timeout=min(left_s, 1))
        if {signal.SIGINT, signal.SIGQUIT} & set(signals):
            server.handle_int()
        if signal.SIGTERM in signals:
            break
        server.reap_workers()
        server.murder_workers()
        server.manage_workers()
    raise StopIteration


def nworkers_changed(server: Arbiter, new_value: int, old_value: int | None) -> None:
    """Refuse SIGTTIN where each worker would count limits by itself."""
    try:
        check_workers(new_value, _config.redis_url)
    except ConfigError as error:
        if old_value is not None:
            server.log.error("a worker more is refused: %s", error)  # noqa: TRY400  one line
            server._num_workers = old_value


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Collect no garbage during the imports, which make little; `start` turns it on again."""
    gc.disable()
    end_with_parent()
    raise_open_files_limit()
    worker.drain = server.drain
    if _data_dir_lock is not None:
        os.close(_data_dir_lock)  # the parent's alone, so that it ends with the parent


def post_worker_init(worker: Worker) -> None:
    """Start the application and log its address; requests wait in the meantime."""
    from app.api.http.error_handlers import reject_malformed_body  # noqa: PLC0415  not before the fork
    from app.bootstrap import start  # noqa: PLC0415
    from app.domain.errors import CifraError  # noqa: PLC0415

    worker.wsgi.register_error_handler(ParseException, reject_malformed_body)
    try:
        admin = start(worker.wsgi, worker.drain.has_begun)
    except CifraError as error:
        worker.log.error("cifra: %s", error.message)  # noqa: TRY400  one line, no traceback
        sys.exit(START_FAILED)
    _close_live_connections_on_exit(worker)
    worker.log.info("admin: %s", admin)
    worker.log.info("Cifra is ready on http://%s", _config.address)


def _close_live_connections_on_exit(worker: Worker) -> None:
    """Close live connections on the first signal to stop.

    Each one holds a thread that gunicorn would wait for until `graceful_timeout`.
    """
    from app.live.live_server import live_server_of  # noqa: PLC0415  not before the fork

    live_server = live_server_of(worker.wsgi)

    def close_and_exit(number: int, frame: FrameType | None) -> None:
        # In a thread: the code that the signal interrupts may hold a lock that closing needs.
        threading.Thread(target=live_server.close, name="live-close").start()
        handlers[number](number, frame)

    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    handlers[signal.SIGQUIT] = signal.getsignal(signal.SIGQUIT)
    for number in handlers:
        signal.signal(number, close_and_exit)
