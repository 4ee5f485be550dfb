"""Gunicorn's configuration: one process with a thread for each request.

The master process imports nothing of the application: ONNX Runtime starts threads when it is
imported, and a fork loses them.
"""

import gc
import signal
import sys
import threading
from types import FrameType

from gunicorn.arbiter import Arbiter
from gunicorn.config import Config as GunicornConfig
from gunicorn.glogging import Logger
from gunicorn.http.errors import ParseException
from gunicorn.workers.base import Worker

from config import Config
from logging_config import configure_logging

_config = Config.from_env()


class GunicornLogger(Logger):
    """Gunicorn's logger, with our format; requests are logged by the application only."""

    def setup(self, cfg: GunicornConfig) -> None:
        """Configure logging for this process and those that it forks."""
        super().setup(cfg)
        configure_logging(_config.log_format, _config.log_level)


wsgi_app = "wsgi:app"
logger_class = GunicornLogger
bind = _config.address
worker_class = "gthread"
workers = _config.web_workers
threads = _config.web_threads
graceful_timeout = 10
keepalive = 30
control_socket_disable = True


def post_fork(_server: Arbiter, _worker: Worker) -> None:
    """Collect no garbage during the imports, which make little; `start` turns it on again."""
    gc.disable()


def post_worker_init(worker: Worker) -> None:
    """Start the application and log its address; requests wait in the meantime."""
    from app.api.http.error_handlers import reject_malformed_body  # noqa: PLC0415  not before the fork
    from app.bootstrap import start  # noqa: PLC0415
    from app.domain.errors import CifraError  # noqa: PLC0415

    worker.wsgi.register_error_handler(ParseException, reject_malformed_body)
    try:
        admin = start(worker.wsgi)
    except CifraError as error:
        worker.log.error("cifra: %s", error.message)  # noqa: TRY400  one line, no traceback
        sys.exit(Arbiter.WORKER_BOOT_ERROR)
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
