"""How gunicorn serves Cifra: one process, a thread for each request, prepared before it forks."""

import sys

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from app import bootstrap, create_app
from app.api.parts import parts
from app.domain.errors import CifraError
from app.store.db import db
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
accesslog = None


def on_starting(server: Arbiter) -> None:
    """Prepare database, models and admin before a worker is forked; connections stay behind."""
    with create_app(_config).app_context():
        try:
            admin = bootstrap.prepare(_config, parts().hasher)
        except CifraError as error:
            sys.exit(f"cifra: {error.message}")
        db.engine.dispose()
    server.log.info("admin: %s", admin)


def when_ready(server: Arbiter) -> None:
    """Say where to go."""
    server.log.info("Cifra listens on http://%s", _config.address)


def post_worker_init(worker: Worker) -> None:
    """Load the models and take up what was left open, now that nothing forks any more."""
    with worker.wsgi.app_context():
        parts().inference.load()
        parts().retrains.wake()
