"""Queries on probes: pictures with known digits, shown to reviewers among the others."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.store.tables import AttentionCheck


def add(session: Session, probe: AttentionCheck) -> None:
    """Add a probe that a reviewer is about to see."""
    session.add(probe)


def get_pending(session: Session, reviewer_id: int, now: datetime) -> AttentionCheck | None:
    """The probe that a reviewer has in front of them."""
    query = select(AttentionCheck).where(
        AttentionCheck.reviewer_id == reviewer_id,
        AttentionCheck.answer.is_(None),
        AttentionCheck.leased_until > now,
    )
    return session.scalar(query.limit(1))


def get(session: Session, probe_id: UUID, reviewer_id: int) -> AttentionCheck | None:
    """One of a reviewer's probes."""
    probe = session.get(AttentionCheck, probe_id)
    return probe if probe is not None and probe.reviewer_id == reviewer_id else None


def results_by_reviewer(session: Session) -> dict[int, tuple[int, int]]:
    """For each reviewer how many probes they read right, of how many; who skips one reads none."""
    right = func.sum(case((AttentionCheck.answer == AttentionCheck.true_digit, 1), else_=0))
    query = select(AttentionCheck.reviewer_id, right, func.count()).where(
        AttentionCheck.answer.is_not(None)
    )
    rows = session.execute(query.group_by(AttentionCheck.reviewer_id))
    return {reviewer_id: (int(known), int(read)) for reviewer_id, known, read in rows}
