"""The command that runs retrain jobs on a machine of its own."""

import logging
import signal
import threading
from functools import partial

import click
from flask.cli import with_appcontext

from app import bootstrap
from app.api.http.container import container
from app.cli.output import Command
from app.services.background.periodic_worker import run_until_stopped
from app.services.retraining.worker import run_pending
from app.store.engine.db import enable_timeouts
from logging_config import configure_logging

POLL_INTERVAL_S = 1.0


@click.command("worker", cls=Command)
@with_appcontext
def worker() -> None:
    """Run retrain jobs on this machine until it is stopped.

    Any number of workers may run; each job is run by one of them. A job of a worker that was
    stopped or killed is claimed by another.
    """
    config, stop_event, wake_event = container().config, threading.Event(), threading.Event()

    def stop(*_: object) -> None:
        stop_event.set()
        wake_event.set()

    configure_logging(config.log_format, config.log_level)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    bootstrap.prepare(config, container().hasher)
    enable_timeouts()
    logging.getLogger(__name__).info("waiting for retrain jobs")
    work = partial(run_pending, container().training_config, stop_event)
    run_until_stopped("worker", POLL_INTERVAL_S, work, wake_event, stop_event)
