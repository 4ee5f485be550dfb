"""How gunicorn serves Cifra: one process with a thread for each request.

The master imports nothing of the application: ONNX Runtime starts threads when it is imported,
and a fork loses them.
"""

import sys

from gunicorn.arbiter import Arbiter
from gunicorn.http.errors import ParseException
from gunicorn.workers.base import Worker

from config import Config

_config = Config.from_env()

wsgi_app = "wsgi:app"
bind = _config.address
worker_class = "gthread"
workers = _config.web_workers
threads = _config.web_threads
graceful_timeout = 10
keepalive = 30
control_socket_disable = True


def post_worker_init(worker: Worker) -> None:
    """Prepare what a first start needs, then say where to go; requests wait in the meantime."""
    from app.api.errors import refuse_body  # noqa: PLC0415  not before the fork
    from app.bootstrap import start  # noqa: PLC0415
    from app.domain.errors import CifraError  # noqa: PLC0415

    worker.wsgi.register_error_handler(ParseException, refuse_body)
    try:
        admin = start(worker.wsgi)
    except CifraError as error:
        worker.log.error("cifra: %s", error.message)  # noqa: TRY400  one line, no traceback
        sys.exit(Arbiter.WORKER_BOOT_ERROR)
    worker.log.info("admin: %s", admin)
    worker.log.info("Cifra is ready on http://%s", _config.address)
