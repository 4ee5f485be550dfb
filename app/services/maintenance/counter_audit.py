"""Verify the counters against the rows that they count, and repair them."""

from sqlalchemy.orm import Session

from app.store.engine.db import read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import counter_audit


def list_differences() -> list[str]:
    """Return a line for each counter that differs from its rows."""
    with read_transaction() as session:
        return compare(session)


def compare(session: Session) -> list[str]:
    """Return a line for each counter of a database that differs from its rows."""
    lines = []
    for name, spec in counter_audit.COUNTERS.items():
        counted, recounted = spec.stored(session), spec.recount(session)
        lines += [
            f"{name} {key}: counter {counted.get(key)}, rows {recounted.get(key)}"
            for key in sorted(counted.keys() | recounted.keys(), key=str)
            if counted.get(key) != recounted.get(key)
        ]
    return lines


@retried
def repair() -> None:
    """Recompute every counter from its rows; other writers wait until it is done."""
    with write_transaction() as session:
        counter_audit.repair(session)
