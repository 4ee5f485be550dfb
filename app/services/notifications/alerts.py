"""Alerts: automatic events that admins should know about."""

from dataclasses import dataclass
from datetime import datetime

from app.store.engine.db import read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import alerts


@dataclass(frozen=True)
class Alert:
    """An event with its kind and time."""

    id: int
    kind: str
    message: str
    created_at: datetime


@retried
def create(kind: str, message: str) -> None:
    """Raise an alert, in a transaction of its own."""
    with write_transaction() as session:
        alerts.add(session, kind, message)


def list_recent(limit: int) -> list[Alert]:
    """Return the last alerts, newest first."""
    with read_transaction() as session:
        return [
            Alert(row.id, row.kind, row.message, row.created_at)
            for row in alerts.list_recent(session, limit)
        ]
