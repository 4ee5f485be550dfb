"""The retrain worker: claim open jobs one at a time and train each in a child process."""

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


class _StopRequested(Exception):
    """This process is stopping; the next worker to start claims the job."""


def run_pending(config: TrainingConfig, stop_event: threading.Event) -> None:
    """Run open jobs until there is none or the process stops. Needs an application context."""
    while not stop_event.is_set() and (claim := jobs.claim_next()) is not None:
        try:
            _train(config, claim, stop_event)
        except LeaseLost:
            _log.warning("retrain %s was claimed by another worker", claim.job_id)
    if not jobs.has_open_job():
        config.clear()


def _train(config: TrainingConfig, claim: Claim, stop_event: threading.Event) -> None:
    def heartbeat(progress: Progress | None) -> None:
        if stop_event.is_set():
            raise _StopRequested
        try:
            jobs.heartbeat(claim, progress)
        except (OperationalError, PoolTimeoutError):
            # The lease outlasts a few failures. If it expires, another worker claims the job with a
            # higher fencing token, and the next heartbeat raises LeaseLost.
            _log.warning("retrain %s: the lease could not be renewed", claim.job_id, exc_info=True)

    try:
        spec = jobs.training_spec(claim)
    except InvalidModel as error:
        jobs.fail(claim, error.message, log="")
        return
    with TrainingProcess(config, f"{claim.job_id}-{claim.fencing_token}", spec) as training:
        try:
            candidate = training.wait_for_candidate(heartbeat)
        except _StopRequested:
            jobs.release(claim)
        except JobCancelled:
            jobs.fail(claim, "cancelled", training.log)
        except TrainingFailed as error:
            jobs.fail(claim, str(error), training.log)
        else:
            jobs.complete(claim, spec, candidate, training.log)
