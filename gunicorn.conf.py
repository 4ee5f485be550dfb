"""How gunicorn serves Cifra: one process with a thread for each request.

The master imports nothing of the application: ONNX Runtime starts threads when it is imported,
and a fork loses them.
"""

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


class Lines(Logger):
    """Gunicorn's logger, whose lines look like all others; requests are logged by the app alone."""

    def setup(self, cfg: GunicornConfig) -> None:
        """Set logging up for this process and those that it forks."""
        super().setup(cfg)
        configure_logging(_config.log_format, _config.log_level)


wsgi_app = "wsgi:app"
logger_class = Lines
bind = _config.address
worker_class = "gthread"
workers = _config.web_workers
threads = _config.web_threads
graceful_timeout = 10
keepalive = 30
control_socket_disable = True


def post_worker_init(worker: Worker) -> None:
    """Prepare what a first start needs, then say where to go; requests wait in the meantime."""
    from app.api.http.error_handlers import reject_malformed_body  # noqa: PLC0415  not before the fork
    from app.bootstrap import start  # noqa: PLC0415
    from app.domain.errors import CifraError  # noqa: PLC0415

    worker.wsgi.register_error_handler(ParseException, reject_malformed_body)
    try:
        admin = start(worker.wsgi)
    except CifraError as error:
        worker.log.error("cifra: %s", error.message)  # noqa: TRY400  one line, no traceback
        sys.exit(Arbiter.WORKER_BOOT_ERROR)
    _see_sockets_out_at_the_end(worker)
    worker.log.info("admin: %s", admin)
    worker.log.info("Cifra is ready on http://%s", _config.address)


def _see_sockets_out_at_the_end(worker: Worker) -> None:
    """Close open sockets at the first word of the end: each holds a thread that is waited for."""
    from app.live.live_server import live_server_of  # noqa: PLC0415  not before the fork

    channel = live_server_of(worker.wsgi)

    def end(number: int, frame: FrameType | None) -> None:
        # Not in the handler itself: what it interrupts may hold a lock that closing needs.
        threading.Thread(target=channel.close, name="live-close").start()
        handlers[number](number, frame)

    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    handlers[signal.SIGQUIT] = signal.getsignal(signal.SIGQUIT)
    for number in handlers:
        signal.signal(number, end)
