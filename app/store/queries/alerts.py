"""Queries on alerts."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.notifications import NotificationKind
from app.store.queries import notifications
from app.store.tables import Alert


def add(session: Session, kind: str, message: str) -> None:
    """Tell admins of something that happened by itself, by mail too if they want it."""
    session.add(Alert(kind=kind, message=message, created_at=datetime.now(UTC)))
    notifications.add(session, NotificationKind.ALERT, f"{kind}: {message}")


def exists_since(session: Session, kind: str, since: datetime) -> bool:
    """Whether there was an alert of this kind since then."""
    query = select(Alert.id).where(Alert.kind == kind, Alert.created_at >= since)
    return session.scalar(query.limit(1)) is not None


def list_recent(session: Session, limit: int) -> Sequence[Alert]:
    """The last alerts, the newest first."""
    return session.scalars(select(Alert).order_by(Alert.id.desc()).limit(limit)).all()
