"""Queries on retrain jobs, and on the labels that they train on."""

from collections.abc import Collection, Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, undefer

from app.domain.review_labels import NOT_A_DIGIT
from app.domain.training_set import TrainingLabel
from app.store.tables import Prediction, RetrainJob, Review

OPEN_STATUSES = ("queued", "running")
FINAL_STATUSES = ("deployed", "ready", "rejected", "failed", "cancelled")


def add(session: Session, job: RetrainJob) -> None:
    """Add a job and assign the id."""
    session.add(job)
    session.flush()


def get(session: Session, job_id: int) -> RetrainJob | None:
    """Return the job with this id."""
    return session.get(RetrainJob, job_id)


def lock_claimed(session: Session, job_id: int, fencing_token: int) -> RetrainJob | None:
    """Return the running job if its fencing token is still this one, locked; else None.

    The worker that claimed a job writes through this function only: once its lease has ended and
    another worker claimed the job, the token differs and nothing is written.
    """
    query = select(RetrainJob).where(
        RetrainJob.id == job_id,
        RetrainJob.fencing_token == fencing_token,
        RetrainJob.status == "running",
    )
    return session.scalar(query.with_for_update())


def forget_requester(session: Session, user_id: int) -> None:
    """Remove a user who is being deleted from the jobs that the user requested."""
    requested = update(RetrainJob).where(RetrainJob.requested_by == user_id)
    session.execute(requested.values(requested_by=None))


def get_open(session: Session) -> RetrainJob | None:
    """Return the oldest job that has not ended."""
    query = select(RetrainJob).where(RetrainJob.status.in_(OPEN_STATUSES)).order_by(RetrainJob.id)
    return session.scalar(query.limit(1))


def list_recent(session: Session, limit: int) -> Sequence[RetrainJob]:
    """Return the last jobs, newest first."""
    return session.scalars(select(RetrainJob).order_by(RetrainJob.id.desc()).limit(limit)).all()


def count_by_status(session: Session) -> dict[str, int]:
    """Return how many jobs have each status, zeros included."""
    query = select(RetrainJob.status, func.count()).group_by(RetrainJob.status)
    found = {status: count for status, count in session.execute(query)}  # noqa: C416  of rows
    return {status: found.get(status, 0) for status in OPEN_STATUSES + FINAL_STATUSES}


def get_log(session: Session, job_id: int) -> str | None:
    """Return the training log of a job."""
    query = select(RetrainJob).where(RetrainJob.id == job_id).options(undefer(RetrainJob.log))
    job = session.scalar(query)
    return None if job is None else job.log or ""


def list_labels(
    session: Session, unreliable_reviewer_ids: Collection[int], limit: int
) -> list[TrainingLabel]:
    """Return the last labels of images that are not erased, newest first.

    Leaves out labels of unreliable reviewers, and of deleted ones, whose attention checks are gone.
    """
    query = (
        select(Prediction.digit_image, Review.label, Prediction.user_id)
        .join(Review, Review.prediction_id == Prediction.id)
        .where(Review.label < NOT_A_DIGIT, Prediction.digit_image.is_not(None))
        .where(Review.reviewer_id.is_not(None), Review.reviewer_id.not_in(unreliable_reviewer_ids))
        .order_by(Review.id.desc())
        .limit(limit)
    )
    return [
        TrainingLabel(image or b"", digit, submitter_id or 0)
        for image, digit, submitter_id in session.execute(query)
    ]
