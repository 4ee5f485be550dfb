"""Retraining: a job is a row first; who takes it up holds it by a lease and a fence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.domain.assignment import Version
from app.domain.errors import Conflict, NotEnoughLabels, NotFound
from app.domain.notifications import NotificationKind
from app.domain.promotion_gates import Gate, evaluate, rejection_reason
from app.domain.training_set import MIN_LABELS, LabelSplit, split_labels
from app.services.models import guarded_rollout, registry
from app.services.retraining.training_process import Candidate, Progress, TrainingSpec
from app.services.reviews import attention_checks
from app.store.engine.db import AdvisoryLock, acquire, read_transaction, write_transaction
from app.store.queries import models as model_rows
from app.store.queries import notifications, retrain_jobs
from app.store.tables import RetrainJob

LEASE = timedelta(seconds=15)
MAX_ATTEMPTS = 3
MAX_LABELS = 20_000
MAX_ERROR_LENGTH = 200  # characters of an error

_UNKNOWN = "There is no such retrain"
_GIVEN_UP = f"given up: it was taken up {MAX_ATTEMPTS} times and never ended"


class LeaseLost(Exception):
    """Somebody else has taken the job up since, or it has ended: leave it alone."""


class JobCancelled(Exception):
    """The job was cancelled while it ran."""


@dataclass(frozen=True)
class Job:
    """A retrain that was asked for, how far it is, and what became of it.

    It ends as `deployed`, `ready` (it passed, and waits to be deployed), `rejected`, `cancelled`
    or `failed`.
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
    """A job that was taken up; with the models that it starts from, and that it is held against."""

    job_id: int
    fencing_token: int
    version: Version
    start_model_id: int
    deployed_model_id: int


def create(user_id: int, version: Version, deploy: str) -> Job:
    """Ask for a retrain.

    Raises Conflict while another one has not ended, NothingToLearn where there are too few labels.
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
        raise NotEnoughLabels(
            f"A retrain needs {MIN_LABELS} reviewed pictures, and there are {found}"
        )
    with write_transaction() as session:
        acquire(session, AdvisoryLock.RETRAINS)
        _reject_if_open(session)
        retrain_jobs.add(session, job)
        return _job(job)


def get(job_id: int) -> Job:
    """A retrain by its id. Raises NotFound."""
    with read_transaction() as session:
        job = retrain_jobs.get(session, job_id)
        if job is None:
            raise NotFound(_UNKNOWN)
        return _job(job)


def log(job_id: int) -> str:
    """The end of what a retrain's training wrote. Raises NotFound."""
    with read_transaction() as session:
        found = retrain_jobs.get_log(session, job_id)
    if found is None:
        raise NotFound(_UNKNOWN)
    return found


def list_recent(limit: int) -> list[Job]:
    """The last retrains, the newest first."""
    with read_transaction() as session:
        return [_job(job) for job in retrain_jobs.list_recent(session, limit)]


def cancel(job_id: int) -> Job:
    """Cancel a retrain; one that runs ends within a second or two.

    Raises NotFound, Conflict for one that has ended.
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


def claim() -> Claim | None:
    """Take the open job up; None where there is none, or where somebody else trains it.

    One whose lease has run out is taken up again, and given up after a few times.
    """
    now = datetime.now(UTC)
    with write_transaction() as session:
        acquire(session, AdvisoryLock.RETRAINS)
        job = retrain_jobs.get_open(session)
        if job is None or (job.lease_until is not None and job.lease_until > now):
            return None
        if job.is_cancelled or job.fencing_token == MAX_ATTEMPTS:
            _end_without_candidate(session, job, _GIVEN_UP)
            return None
        version = Version(job.version)
        serving = model_rows.get_deployed(session, version)
        shipped = model_rows.get_bundled(session, version)
        if serving is None or shipped is None:
            _end(session, job, "failed", f"no model serves {version}")
            return None
        job.fencing_token += 1
        job.status, job.started_at, job.lease_until = "running", now, now + LEASE
        return Claim(job.id, job.fencing_token, version, shipped.id, serving.id)


def has_open_job() -> bool:
    """Whether a retrain has not ended."""
    with read_transaction() as session:
        return retrain_jobs.get_open(session) is not None


def training_spec(claimed: Claim) -> TrainingSpec:
    """What a job's training needs. Raises UnfitModel where a model is damaged."""
    with read_transaction() as session:
        labels = _label_split(session)
    shipped, serving = (
        registry.get_artifact(of) for of in (claimed.start_model_id, claimed.deployed_model_id)
    )
    return TrainingSpec(
        name=f"{shipped.model.name}-retrain-{claimed.job_id}",
        seed=claimed.job_id,
        labels=labels,
        start=shipped.onnx,
        serving=serving.onnx,
        bundled=shipped.onnx,
    )


def heartbeat(claimed: Claim, said: Progress | None) -> None:
    """Keep a job, and note how far it is. Raises Superseded, Cancelled."""
    with write_transaction() as session:
        job = _get_claimed(session, claimed)
        if job.is_cancelled:
            raise JobCancelled
        job.lease_until = datetime.now(UTC) + LEASE
        if said is not None:
            job.stage, job.progress = said.stage, said.progress
            job.loss, job.seconds_left = said.loss, said.seconds_left


def release(claimed: Claim) -> None:
    """Let another process take a job up at once. Raises Superseded."""
    with write_transaction() as session:
        job = _get_claimed(session, claimed)
        job.status, job.lease_until = "queued", None
        job.stage = job.progress = job.loss = job.seconds_left = None


def fail(claimed: Claim, error: str, log: str) -> None:
    """End a job that came to no candidate, as cancelled if it was. Raises Superseded."""
    with write_transaction() as session:
        job = _get_claimed(session, claimed)
        _end_without_candidate(session, job, error)
        job.log = log


def complete(claimed: Claim, made: TrainingSpec, candidate: Candidate, log: str) -> None:
    """Judge a candidate, keep it, and put it into service if it passed every gate and may.

    All of it is one transaction: whatever happens, one whole model serves the version. Raises
    Superseded.
    """
    gates = evaluate(candidate.marks)
    reason = rejection_reason(gates)
    with write_transaction() as session:
        acquire(session, AdvisoryLock.RETRAINS)
        acquire(session, AdvisoryLock.MODELS)
        job = _get_claimed(session, claimed)
        job.log = log
        if job.is_cancelled:
            _end(session, job, "cancelled")
            return
        model = registry.get_or_create(session, made.name, candidate.onnx)
        model.version, model.rejection_reason = claimed.version, reason
        job.model_id, job.gates = model.id, [_gate_as_json(gate) for gate in gates]
        job.train_labels, job.holdout_labels = len(made.labels.train), len(made.labels.holdout)
        if reason is not None:
            _end(session, job, "rejected", reason)
        elif job.deploy == "manual":
            _end(session, job, "ready")
        elif not model_rows.is_deployed(session, claimed.version, claimed.deployed_model_id):
            _end(session, job, "ready", "another model went into service while it was trained")
        elif guarded_rollout.is_cooling_down(session, claimed.version):
            _end(session, job, "ready", "a model was rolled back lately: deploy it by hand")
        else:
            registry.deploy_in(session, claimed.version, model, f"retrain {job.id}")
            _end(session, job, "deployed")


def _reject_if_open(session: Session) -> None:
    under_way = retrain_jobs.get_open(session)
    if under_way is not None:
        raise Conflict(f"Retrain {under_way.id} has not ended yet")


def _label_split(session: Session) -> LabelSplit:
    return split_labels(
        retrain_jobs.list_labels(
            session, attention_checks.unreliable_reviewer_ids(session), MAX_LABELS
        )
    )


def _get_claimed(session: Session, claimed: Claim) -> RetrainJob:
    job = retrain_jobs.lock_claimed(session, claimed.job_id, claimed.fencing_token)
    if job is None:
        raise LeaseLost
    return job


def _end_without_candidate(session: Session, job: RetrainJob, error: str) -> None:
    """End a job that came to no candidate: cancelled if it was, or else failed."""
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
    """A gate as it is stored with the job, and as clients see it."""
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
