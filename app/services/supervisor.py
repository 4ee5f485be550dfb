"""Taking open retrains up: one at a time, trained by a child process, concluded or given up."""

import logging
import threading

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.domain.errors import UnfitModel
from app.services import retraining
from app.services.retraining import Cancelled, Claim, Superseded
from app.services.trainer import Progress, Training, TrainingFailed, Workshop

_log = logging.getLogger(__name__)


class _Ending(Exception):
    """The process ends: whoever starts next takes the job up."""


def take_up(workshop: Workshop, ending: threading.Event) -> None:
    """Train what waits, until nothing does or the process ends. Needs an application context."""
    while not ending.is_set() and (claimed := retraining.claim()) is not None:
        try:
            _train(workshop, claimed, ending)
        except Superseded:
            _log.warning("retrain %s was taken up elsewhere", claimed.job_id)
    if not retraining.is_under_way():
        workshop.clear()


def _train(workshop: Workshop, claimed: Claim, ending: threading.Event) -> None:
    def heartbeat(said: Progress | None) -> None:
        if ending.is_set():
            raise _Ending
        try:
            retraining.renew(claimed, said)
        except (OperationalError, PoolTimeoutError):
            # The lease bears some; who takes the job up then raises its fence.
            _log.warning("retrain %s: its lease was not renewed", claimed.job_id, exc_info=True)

    try:
        wanted = retraining.assignment(claimed)
    except UnfitModel as error:
        retraining.give_up(claimed, error.message, log="")
        return
    with Training(workshop, f"{claimed.job_id}-{claimed.fence}", wanted) as training:
        try:
            candidate = training.finish(heartbeat)
        except _Ending:
            retraining.hand_back(claimed)
        except Cancelled:
            retraining.give_up(claimed, "cancelled", training.log)
        except TrainingFailed as error:
            retraining.give_up(claimed, str(error), training.log)
        else:
            retraining.conclude(claimed, wanted, candidate, training.log)
