"""Queries on the clock record, the one row of its table."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.store.engine.db import insert_for
from app.store.tables import ClockRecord

_ID = 1


def get(session: Session) -> ClockRecord | None:
    """Return the record; None before the first server has run."""
    return session.get(ClockRecord, _ID)


def lock_for_update(session: Session, now: datetime) -> ClockRecord:
    """Return the record, created with this time if needed, and let nobody else change it."""
    new = insert_for(session, ClockRecord).values(id=_ID, seen_at=now)
    session.execute(new.on_conflict_do_nothing())
    return session.get_one(ClockRecord, _ID, with_for_update=True)
