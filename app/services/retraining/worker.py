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


def run_pending(config: TrainingConfig, stop_event: threading.Event) -> None:
    """Train what waits, until nothing does or the process ends. Needs an application context."""
    while not stop_event.is_set() and (claim := jobs.claim()) is not None:
        try:
            _train(config, claim, stop_event)
        except LeaseLost:
            _log.warning("retrain %s was taken up elsewhere", claim.job_id)
    if not jobs.has_open_job():
        config.clear()


def _train(config: TrainingConfig, claim: Claim, stop_event: threading.Event) -> None:
    def heartbeat(progress: Progress | None) -> None:
        if stop_event.is_set():
            raise _Stopping
        try:
            jobs.heartbeat(claim, progress)
        except (OperationalError, PoolTimeoutError):
            # The lease bears some; who takes the job up then raises its fence.
            _log.warning("retrain %s: its lease was not renewed", claim.job_id, exc_info=True)

    try:
        spec = jobs.training_spec(claim)
    except InvalidModel as error:
        jobs.fail(claim, error.message, log="")
        return
    with TrainingProcess(config, f"{claim.job_id}-{claim.fencing_token}", spec) as training:
        try:
            candidate = training.wait_for_candidate(heartbeat)
        except _Stopping:
            jobs.release(claim)
        except JobCancelled:
            jobs.fail(claim, "cancelled", training.log)
        except TrainingFailed as error:
            jobs.fail(claim, str(error), training.log)
        else:
            jobs.complete(claim, spec, candidate, training.log)
