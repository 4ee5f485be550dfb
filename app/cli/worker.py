"""The command that trains what servers leave to workers."""

import logging
import signal
import threading

import click
from flask.cli import with_appcontext

from app import bootstrap
from app.api.http.container import container
from app.cli.output import cli_errors
from app.services.retraining.worker import run_pending
from logging_config import configure_logging

POLL_INTERVAL_S = 1.0


@click.command("worker")
@with_appcontext
def worker() -> None:
    """Train retrains as they are asked for, on this machine, until told to end.

    Any number of workers may run; each retrain is trained by one. What an ended or killed one
    leaves is taken up by another.
    """
    config, ending = container().config, threading.Event()
    configure_logging(config.log_format, config.log_level)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    with cli_errors():
        bootstrap.prepare(config, container().hasher)
    logging.getLogger(__name__).info("waiting for retrains")
    while not ending.wait(POLL_INTERVAL_S):
        run_pending(container().training_config, ending)
