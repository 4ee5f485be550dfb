"""Verify the counters against the rows that they count, and repair them."""

from collections.abc import Iterator

from app.store.engine.db import read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import counter_audit


def list_differences() -> Iterator[str]:
    """Yield a line for each counter that differs from its rows."""
    with read_transaction() as session:
        found = {
            name: (spec.stored(session), spec.recount(session))
            for name, spec in counter_audit.COUNTERS.items()
        }
    for name, (counted, recounted) in found.items():
        for key in sorted(counted.keys() | recounted.keys(), key=str):
            if counted.get(key) != recounted.get(key):
                yield f"{name} {key}: counter {counted.get(key)}, rows {recounted.get(key)}"


@retried
def repair() -> None:
    """Recompute every counter from its rows; other writers wait until it is done."""
    with write_transaction() as session:
        counter_audit.repair(session)
