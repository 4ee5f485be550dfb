"""Taking open retrains up: one at a time, trained by a child process, concluded or given up."""

import logging
import threading

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.domain.errors import InvalidModel
from app.services.retraining import jobs
from app.services.retraining.jobs import Claim, JobCancelled, LeaseLost
from app.services.retraining.training_process import (
    Progress,
    TrainingConfig,
    TrainingFailed,
    TrainingProcess,
)

_log = logging.getLogger(__name__)


class _Stopping(Exception):
    """The process ends: whoever starts next takes the job up."""


def run_pending(workshop: TrainingConfig, ending: threading.Event) -> None:
    """Train what waits, until nothing does or the process ends. Needs an application context."""
    while not ending.is_set() and (claimed := jobs.claim()) is not None:
        try:
            _train(workshop, claimed, ending)
        except LeaseLost:
            _log.warning("retrain %s was taken up elsewhere", claimed.job_id)
    if not jobs.has_open_job():
        workshop.clear()


def _train(workshop: TrainingConfig, claimed: Claim, ending: threading.Event) -> None:
    def heartbeat(said: Progress | None) -> None:
        if ending.is_set():
            raise _Stopping
        try:
            jobs.heartbeat(claimed, said)
        except (OperationalError, PoolTimeoutError):
            # The lease bears some; who takes the job up then raises its fence.
            _log.warning("retrain %s: its lease was not renewed", claimed.job_id, exc_info=True)

    try:
        wanted = jobs.training_spec(claimed)
    except InvalidModel as error:
        jobs.fail(claimed, error.message, log="")
        return
    with TrainingProcess(workshop, f"{claimed.job_id}-{claimed.fence}", wanted) as training:
        try:
            candidate = training.finish(heartbeat)
        except _Stopping:
            jobs.release(claimed)
        except JobCancelled:
            jobs.fail(claimed, "cancelled", training.log)
        except TrainingFailed as error:
            jobs.fail(claimed, str(error), training.log)
        else:
            jobs.complete(claimed, wanted, candidate, training.log)
