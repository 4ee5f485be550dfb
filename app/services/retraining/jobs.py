"""Retrain jobs, queued in the database and claimed with a lease and a fencing token.

A worker claims a job for the length of a lease, which its heartbeats renew. If it stops, another
worker claims the job with a higher fencing token, and the first can write nothing anymore.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.domain.assignment import Version
from app.domain.clock_skew import is_pending
from app.domain.errors import Conflict, NotEnoughLabels, NotFound
from app.domain.notifications import NotificationKind
from app.domain.promotion_gates import Gate, evaluate, rejection_reason
from app.domain.training_set import MIN_LABELS, LabelSplit, split_labels
from app.services.models import guarded_rollout, registry
from app.services.retraining.training_process import Candidate, Progress, TrainingSpec
from app.services.reviews import attention_checks
from app.store.engine.db import AdvisoryLock, acquire, read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import models as model_rows
from app.store.queries import notifications, retrain_jobs
from app.store.tables import RetrainJob

LEASE = timedelta(seconds=15)
MAX_ATTEMPTS = 3
MAX_LABELS = 20_000
MAX_ERROR_LENGTH = 200  # characters

_UNKNOWN = "There is no such retrain"
_ABANDONED = f"abandoned: claimed {MAX_ATTEMPTS} times and never finished"


class LeaseLost(Exception):
    """Another worker has claimed the job, or it has ended: write nothing more."""


class JobCancelled(Exception):
    """The job was cancelled while it was running."""


@dataclass(frozen=True)
class Job:
    """A retrain job with its progress and result.

    It ends as `deployed`, `ready` (passed, to be deployed manually), `rejected`, `cancelled` or
    `failed`.
    """

    id: int
    version: Version
    deploy: str
    status: str
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    stage: str | None
    progress: float | None
    loss: float | None
    seconds_left: float | None
    train_labels: int | None
    holdout_labels: int | None
    gates: Sequence[dict[str, Any]]
    model_id: int | None


@dataclass(frozen=True)
class Claim:
    """A claimed job, with the models to start from and to compare with."""

    job_id: int
    fencing_token: int
    version: Version
    start_model_id: int
    deployed_model_id: int


@retried
def create(user_id: int, version: Version, deploy: str) -> Job:
    """Create a retrain job.

    Raise Conflict while another one is open, NotEnoughLabels if there are too few labels.
    """
    job = RetrainJob(
        requested_by=user_id,
        version=version,
        deploy=deploy,
        status="queued",
        created_at=datetime.now(UTC),
    )
    with read_transaction() as session:
        _reject_if_open(session)
        labels = _label_split(session)
    found = len(labels.train) + len(labels.holdout)
    if found < MIN_LABELS or not labels.holdout:
        raise NotEnoughLabels(f"A retrain needs {MIN_LABELS} reviewed images; there are {found}")
    with write_transaction() as session:
        acquire(session, AdvisoryLock.RETRAINS)
        _reject_if_open(session)
        retrain_jobs.add(session, job)
        return _job(job)


def get(job_id: int) -> Job:
    """Return a retrain job. Raise NotFound."""
    with read_transaction() as session:
        job = retrain_jobs.get(session, job_id)
        if job is None:
            raise NotFound(_UNKNOWN)
        return _job(job)


def get_log(job_id: int) -> str:
    """Return the end of a job's training log. Raise NotFound."""
    with read_transaction() as session:
        log = retrain_jobs.get_log(session, job_id)
    if log is None:
        raise NotFound(_UNKNOWN)
    return log


def list_recent(limit: int) -> list[Job]:
    """Return the last jobs, the newest first."""
    with read_transaction() as session:
        return [_job(job) for job in retrain_jobs.list_recent(session, limit)]


@retried
def cancel(job_id: int) -> Job:
    """Cancel a job; a running one ends within a second or two.

    Raise NotFound, or Conflict if it has ended.
    """
    with write_transaction() as session:
        acquire(session, AdvisoryLock.RETRAINS)
        job = retrain_jobs.get(session, job_id)
        if job is None:
            raise NotFound(_UNKNOWN)
        if job.status not in retrain_jobs.OPEN_STATUSES:
            raise Conflict(f"This retrain has ended: {job.status}")
        job.is_cancelled = True
        if job.status == "queued":
            _end(session, job, "cancelled")
        return _job(job)


@retried
def claim_next() -> Claim | None:
    """Claim the open job; return None if there is none or another worker's lease is valid.

    A job whose lease has expired is claimed again; after MAX_ATTEMPTS claims it fails.
    """
    now = datetime.now(UTC)
    with write_transaction() as session:
        acquire(session, AdvisoryLock.RETRAINS)
        job = retrain_jobs.get_open(session)
        if job is None or is_pending(job.lease_until, now, LEASE):
            return None
        if job.is_cancelled or job.fencing_token == MAX_ATTEMPTS:
            _end_without_candidate(session, job, _ABANDONED)
            return None
        version = Version(job.version)
        deployed = model_rows.get_deployed(session, version)
        bundled = model_rows.get_bundled(session, version)
        if deployed is None or bundled is None:
            _end(session, job, "failed", f"no model is deployed as {version}")
            return None
        job.fencing_token += 1
        job.status, job.started_at, job.lease_until = "running", now, now + LEASE
        return Claim(job.id, job.fencing_token, version, bundled.id, deployed.id)


def has_open_job() -> bool:
    """Return whether a job is queued or running."""
    with read_transaction() as session:
        return retrain_jobs.get_open(session) is not None


def training_spec(claim: Claim) -> TrainingSpec:
    """Return the inputs of a job's training. Raise InvalidModel if a model is damaged."""
    with read_transaction() as session:
        labels = _label_split(session)
    bundled = registry.get_artifact(claim.start_model_id)
    deployed = registry.get_artifact(claim.deployed_model_id)
    return TrainingSpec(
        name=f"{bundled.model.name}-retrain-{claim.job_id}",
        seed=claim.job_id,
        labels=labels,
        start=bundled.onnx,
        deployed=deployed.onnx,
        bundled=bundled.onnx,
    )


@retried
def heartbeat(claim: Claim, progress: Progress | None) -> None:
    """Renew the lease and record the progress. Raise LeaseLost, JobCancelled."""
    with write_transaction() as session:
        job = _get_claimed(session, claim)
        if job.is_cancelled:
            raise JobCancelled
        job.lease_until = datetime.now(UTC) + LEASE
        if progress is not None:
            job.stage, job.progress = progress.stage, progress.progress
            job.loss, job.seconds_left = progress.loss, progress.seconds_left


@retried
def release(claim: Claim) -> None:
    """Return a job to the queue, so that another worker can claim it. Raise LeaseLost."""
    with write_transaction() as session:
        job = _get_claimed(session, claim)
        job.status, job.lease_until = "queued", None
        job.stage = job.progress = job.loss = job.seconds_left = None


@retried
def fail(claim: Claim, error: str, log: str) -> None:
    """End a job that has no candidate, as cancelled or failed. Raise LeaseLost."""
    with write_transaction() as session:
        job = _get_claimed(session, claim)
        _end_without_candidate(session, job, error)
        job.log = log


@retried
def complete(claim: Claim, spec: TrainingSpec, candidate: Candidate, log: str) -> None:
    """Evaluate a candidate, store it, and deploy it if it passed every gate and may be deployed.

    It is one transaction, so that a version is never without a complete model. Raise LeaseLost.
    """
    gates = evaluate(candidate.metrics)
    reason = rejection_reason(gates)
    with write_transaction() as session:
        acquire(session, AdvisoryLock.RETRAINS)
        acquire(session, AdvisoryLock.MODELS)
        job = _get_claimed(session, claim)
        job.log = log
        if job.is_cancelled:
            _end(session, job, "cancelled")
            return
        model = registry.get_or_create(session, spec.name, candidate.onnx)
        model.version, model.rejection_reason = claim.version, reason
        job.model_id, job.gates = model.id, [_gate_as_json(gate) for gate in gates]
        job.train_labels, job.holdout_labels = len(spec.labels.train), len(spec.labels.holdout)
        if reason is not None:
            _end(session, job, "rejected", reason)
        elif job.deploy == "manual":
            _end(session, job, "ready")
        elif not model_rows.is_deployed(session, claim.version, claim.deployed_model_id):
            _end(session, job, "ready", "another model was deployed during training")
        elif guarded_rollout.is_cooling_down(session, claim.version):
            _end(session, job, "ready", "a model was rolled back recently: deploy it manually")
        else:
            registry.deploy_in(session, claim.version, model, f"retrain {job.id}")
            _end(session, job, "deployed")


def _reject_if_open(session: Session) -> None:
    open_job = retrain_jobs.get_open(session)
    if open_job is not None:
        raise Conflict(f"Retrain {open_job.id} has not ended yet")


def _label_split(session: Session) -> LabelSplit:
    return split_labels(
        retrain_jobs.list_labels(
            session, attention_checks.unreliable_reviewer_ids(session), MAX_LABELS
        )
    )


def _get_claimed(session: Session, claim: Claim) -> RetrainJob:
    job = retrain_jobs.lock_claimed(session, claim.job_id, claim.fencing_token)
    if job is None:
        raise LeaseLost
    return job


def _end_without_candidate(session: Session, job: RetrainJob, error: str) -> None:
    """End a job that has no candidate: cancelled if that was requested, otherwise failed."""
    _end(session, job, "cancelled") if job.is_cancelled else _end(session, job, "failed", error)


def _end(session: Session, job: RetrainJob, status: str, error: str | None = None) -> None:
    job.status, job.finished_at = status, datetime.now(UTC)
    job.error = error and error[:MAX_ERROR_LENGTH]
    job.lease_until = job.seconds_left = None
    reason = f" ({error})" if error else ""
    notifications.add(
        session, NotificationKind.RETRAIN, f"retrain {job.id} of {job.version}: {status}{reason}"
    )


def _gate_as_json(gate: Gate) -> dict[str, Any]:
    """Return a gate as it is stored with the job and shown to clients."""
    return {
        "name": gate.name,
        "passed": gate.passed,
        "summary": gate.summary,
        "metrics": dict(gate.metrics),
    }


def _job(row: RetrainJob) -> Job:
    return Job(
        id=row.id,
        version=Version(row.version),
        deploy=row.deploy,
        status=row.status,
        error=row.error,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        stage=row.stage,
        progress=row.progress,
        loss=row.loss,
        seconds_left=row.seconds_left,
        train_labels=row.train_labels,
        holdout_labels=row.holdout_labels,
        gates=row.gates or [],
        model_id=row.model_id,
    )
