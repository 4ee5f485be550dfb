"""How granian serves the HTTP tier: `python serve_granian.py`.

It carries no sockets: dashboards connect to what `make serve-live` serves. Everything else is the
application that gunicorn.conf.py serves in one process, at a third of the server's own cost.
"""

import sys

from flask import Flask
from granian import Granian
from granian.constants import Interfaces

from config import Config
from logging_config import configure_logging, logging_settings


def main() -> None:
    """Serve until told to end; requests wait while a worker prepares."""
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
    ).serve()


def load() -> Flask:
    """Make the application of a worker, ready for its first request."""
    from app import create_app  # noqa: PLC0415  not in the process that only starts workers
    from app.bootstrap import start  # noqa: PLC0415
    from app.domain.errors import CifraError  # noqa: PLC0415

    config = Config.from_env()
    configure_logging(config.log_format, config.log_level)
    app = create_app(config, live=False)
    try:
        start(app)
    except CifraError as error:
        sys.exit(f"cifra: {error.message}")
    return app


if __name__ == "__main__":
    main()
