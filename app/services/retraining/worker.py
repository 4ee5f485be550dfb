"""Taking open retrains up: one at a time, trained by a child process, concluded or given up."""

import logging
import threading

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.domain.errors import UnfitModel
from app.services.retraining import jobs
from app.services.retraining.jobs import Cancelled, Claim, Superseded
from app.services.retraining.training_process import Progress, Training, TrainingFailed, Workshop

_log = logging.getLogger(__name__)


class _Ending(Exception):
    """The process ends: whoever starts next takes the job up."""


def run_pending(workshop: Workshop, ending: threading.Event) -> None:
    """Train what waits, until nothing does or the process ends. Needs an application context."""
    while not ending.is_set() and (claimed := jobs.claim()) is not None:
        try:
            _train(workshop, claimed, ending)
        except Superseded:
            _log.warning("retrain %s was taken up elsewhere", claimed.job_id)
    if not jobs.is_under_way():
        workshop.clear()


def _train(workshop: Workshop, claimed: Claim, ending: threading.Event) -> None:
    def heartbeat(said: Progress | None) -> None:
        if ending.is_set():
            raise _Ending
        try:
            jobs.renew(claimed, said)
        except (OperationalError, PoolTimeoutError):
            # The lease bears some; who takes the job up then raises its fence.
            _log.warning("retrain %s: its lease was not renewed", claimed.job_id, exc_info=True)

    try:
        wanted = jobs.assignment(claimed)
    except UnfitModel as error:
        jobs.give_up(claimed, error.message, log="")
        return
    with Training(workshop, f"{claimed.job_id}-{claimed.fence}", wanted) as training:
        try:
            candidate = training.finish(heartbeat)
        except _Ending:
            jobs.hand_back(claimed)
        except Cancelled:
            jobs.give_up(claimed, "cancelled", training.log)
        except TrainingFailed as error:
            jobs.give_up(claimed, str(error), training.log)
        else:
            jobs.conclude(claimed, wanted, candidate, training.log)
