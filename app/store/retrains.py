"""Queries on retrain jobs."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.tables import RetrainJob

OPEN = ("queued", "running")


def add(session: Session, job: RetrainJob) -> None:
    """Add a job; its id is known afterwards."""
    session.add(job)
    session.flush()


def find(session: Session, job_id: int) -> RetrainJob | None:
    """The job with this id."""
    return session.get(RetrainJob, job_id)


def find_open(session: Session) -> RetrainJob | None:
    """The oldest job that has not ended."""
    query = select(RetrainJob).where(RetrainJob.status.in_(OPEN)).order_by(RetrainJob.id)
    return session.scalar(query.limit(1))


def newest(session: Session, limit: int) -> Sequence[RetrainJob]:
    """The last jobs, the newest first."""
    return session.scalars(select(RetrainJob).order_by(RetrainJob.id.desc()).limit(limit)).all()
