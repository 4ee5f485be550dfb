"""Queries on retrain jobs, and on the labels that they learn from."""

from collections.abc import Collection, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from app.domain.review_labels import NOT_A_DIGIT
from app.domain.training_set import TrainingLabel
from app.store.tables import Prediction, RetrainJob, Review

OPEN_STATUSES = ("queued", "running")
FINAL_STATUSES = ("deployed", "ready", "rejected", "failed", "cancelled")


def add(session: Session, job: RetrainJob) -> None:
    """Add a job; its id is known afterwards."""
    session.add(job)
    session.flush()


def get(session: Session, job_id: int) -> RetrainJob | None:
    """The job with this id."""
    return session.get(RetrainJob, job_id)


def lock_claimed(session: Session, job_id: int, fencing_token: int) -> RetrainJob | None:
    """The running job that was taken up with this fence; None where another one has it since."""
    query = select(RetrainJob).where(
        RetrainJob.id == job_id,
        RetrainJob.fencing_token == fencing_token,
        RetrainJob.status == "running",
    )
    return session.scalar(query.with_for_update())


def get_open(session: Session) -> RetrainJob | None:
    """The oldest job that has not ended."""
    query = select(RetrainJob).where(RetrainJob.status.in_(OPEN_STATUSES)).order_by(RetrainJob.id)
    return session.scalar(query.limit(1))


def list_recent(session: Session, limit: int) -> Sequence[RetrainJob]:
    """The last jobs, the newest first."""
    return session.scalars(select(RetrainJob).order_by(RetrainJob.id.desc()).limit(limit)).all()


def count_by_status(session: Session) -> dict[str, int]:
    """How many jobs there are of each status, those among them that none has."""
    query = select(RetrainJob.status, func.count()).group_by(RetrainJob.status)
    found = {status: count for status, count in session.execute(query)}  # noqa: C416  of rows
    return {status: found.get(status, 0) for status in OPEN_STATUSES + FINAL_STATUSES}


def get_log(session: Session, job_id: int) -> str | None:
    """What a job's training wrote while it ran."""
    query = select(RetrainJob).where(RetrainJob.id == job_id).options(undefer(RetrainJob.log))
    job = session.scalar(query)
    return None if job is None else job.log or ""


def list_labels(session: Session, unreliable: Collection[int], limit: int) -> list[TrainingLabel]:
    """What reviewers said of pictures that are not erased, the newest first.

    But for those who are not reliable, or whose account and probes are gone.
    """
    query = (
        select(Prediction.digit_image, Review.label, Prediction.user_id)
        .join(Review, Review.prediction_id == Prediction.id)
        .where(Review.label < NOT_A_DIGIT, Prediction.digit_image.is_not(None))
        .where(Review.reviewer_id.is_not(None), Review.reviewer_id.not_in(unreliable))
        .order_by(Review.id.desc())
        .limit(limit)
    )
    return [
        TrainingLabel(image or b"", truth, submitter or 0)
        for image, truth, submitter in session.execute(query)
    ]
