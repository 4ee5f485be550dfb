"""The retrain worker: claim open jobs one at a time and train each in a child process."""

import logging
import threading
from collections.abc import Callable
from functools import partial

from app.domain.errors import InvalidModel
from app.services.background.database_outage import RETRY_DELAY_S, DatabaseOutage
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
    outage = DatabaseOutage(f"retrain {claim.job_id}")
    write_result = _run_training(config, claim, stop_event, outage)
    # The result of a training is worth waiting for. If this process stops while it waits, the next
    # worker claims the job when its lease has expired.
    while not outage.attempt(write_result) and not stop_event.wait(RETRY_DELAY_S):
        pass


def _run_training(
    config: TrainingConfig, claim: Claim, stop_event: threading.Event, outage: DatabaseOutage
) -> Callable[[], None]:
    """Train; return the function that writes how it ended."""

    def heartbeat(progress: Progress | None) -> None:
        if stop_event.is_set():
            raise _StopRequested
        # The lease outlasts a few failures. If it expires, another worker claims the job with a
        # higher fencing token, and the next heartbeat raises LeaseLost.
        outage.attempt(partial(jobs.heartbeat, claim, progress))

    try:
        spec = jobs.training_spec(claim)
    except InvalidModel as error:
        return partial(jobs.fail, claim, error.message, log="")
    training = TrainingProcess(config, f"{claim.job_id}-{claim.fencing_token}", spec)
    try:
        with training:
            candidate = training.wait_for_candidate(heartbeat)
    except _StopRequested:
        return partial(jobs.release, claim)
    except JobCancelled:
        return partial(jobs.fail, claim, "cancelled", training.log)
    except TrainingFailed as error:
        return partial(jobs.fail, claim, str(error), training.log)
    return partial(jobs.complete, claim, spec, candidate, training.log)
