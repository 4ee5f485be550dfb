"""Queries on attention checks: images with known digits, mixed into reviewers' queues."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.store.tables import AttentionCheck


def add(session: Session, check: AttentionCheck) -> None:
    """Add an attention check."""
    session.add(check)


def get_pending(session: Session, reviewer_id: int, now: datetime) -> AttentionCheck | None:
    """Return the attention check that a reviewer holds a lease on."""
    query = select(AttentionCheck).where(
        AttentionCheck.reviewer_id == reviewer_id,
        AttentionCheck.answer.is_(None),
        AttentionCheck.leased_until > now,
    )
    return session.scalar(query.limit(1))


def get(session: Session, check_id: UUID, reviewer_id: int) -> AttentionCheck | None:
    """Return one of a reviewer's attention checks."""
    check = session.get(AttentionCheck, check_id)
    return check if check is not None and check.reviewer_id == reviewer_id else None


def results_by_reviewer(session: Session) -> dict[int, tuple[int, int]]:
    """Return how many attention checks each reviewer got right and answered; a skip is wrong."""
    correct = func.sum(case((AttentionCheck.answer == AttentionCheck.true_digit, 1), else_=0))
    query = select(AttentionCheck.reviewer_id, correct, func.count()).where(
        AttentionCheck.answer.is_not(None)
    )
    rows = session.execute(query.group_by(AttentionCheck.reviewer_id))
    return {reviewer_id: (int(right), int(answered)) for reviewer_id, right, answered in rows}
