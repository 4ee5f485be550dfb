"""Alerts: what happened by itself and admins should know of."""

from dataclasses import dataclass
from datetime import datetime

from app.store.engine.db import read_transaction, write_transaction
from app.store.queries import alerts


@dataclass(frozen=True)
class Alert:
    """What happened, of which kind, when."""

    id: int
    kind: str
    message: str
    created_at: datetime


def create(kind: str, message: str) -> None:
    """Raise an alert, in a unit of work of its own."""
    with write_transaction() as session:
        alerts.add(session, kind, message)


def list_recent(limit: int) -> list[Alert]:
    """The last alerts, the newest first."""
    with read_transaction() as session:
        return [
            Alert(row.id, row.kind, row.message, row.created_at)
            for row in alerts.list_recent(session, limit)
        ]
