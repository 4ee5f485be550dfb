"""Queries on alerts."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.clock_skew import MAX_CLOCK_SKEW
from app.domain.notifications import NotificationKind
from app.store.queries import notifications
from app.store.tables import Alert


def add(session: Session, kind: str, message: str) -> None:
    """Add an alert, and a notification for every admin who subscribed to alerts."""
    session.add(Alert(kind=kind, message=message, created_at=datetime.now(UTC)))
    notifications.add(session, NotificationKind.ALERT, f"{kind}: {message}")


def exists_since(session: Session, kind: str, since: datetime) -> bool:
    """Return whether there has been an alert of this kind since then.

    Alerts of the future, raised while the clock was ahead, do not count: none would follow them.
    """
    is_recent = Alert.created_at.between(since, datetime.now(UTC) + MAX_CLOCK_SKEW)
    query = select(Alert.id).where(Alert.kind == kind, is_recent)
    return session.scalar(query.limit(1)) is not None


def list_recent(session: Session, limit: int) -> Sequence[Alert]:
    """Return the last alerts, newest first."""
    return session.scalars(select(Alert).order_by(Alert.id.desc()).limit(limit)).all()
