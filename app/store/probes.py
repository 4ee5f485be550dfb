"""Queries on probes: pictures with known digits, shown to reviewers among the others."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.store.tables import Probe


def add(session: Session, probe: Probe) -> None:
    """Add a probe that a reviewer is about to see."""
    session.add(probe)


def held(session: Session, reviewer_id: int, now: datetime) -> Probe | None:
    """The probe that a reviewer has in front of them."""
    query = select(Probe).where(
        Probe.reviewer_id == reviewer_id, Probe.said.is_(None), Probe.leased_until > now
    )
    return session.scalar(query.limit(1))


def find(session: Session, probe_id: UUID, reviewer_id: int) -> Probe | None:
    """One of a reviewer's probes."""
    probe = session.get(Probe, probe_id)
    return probe if probe is not None and probe.reviewer_id == reviewer_id else None


def results(session: Session) -> dict[int, tuple[int, int]]:
    """For each reviewer how many probes they read right, of how many; who skips one reads none."""
    right = func.sum(case((Probe.said == Probe.digit, 1), else_=0))
    query = select(Probe.reviewer_id, right, func.count()).where(Probe.said.is_not(None))
    rows = session.execute(query.group_by(Probe.reviewer_id))
    return {reviewer_id: (int(known), int(read)) for reviewer_id, known, read in rows}
