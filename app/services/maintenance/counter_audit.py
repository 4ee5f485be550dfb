"""Recounting: whether the counters still say what the rows say, and mending them."""

from collections.abc import Iterator

from app.store.engine.db import read_transaction, write_transaction
from app.store.queries import counter_audit


def list_differences() -> Iterator[str]:
    """A line for every counter that is not what its rows come to; none if all is well."""
    with read_transaction() as session:
        found = {
            name: (kind.counted(session), kind.from_rows(session))
            for name, kind in counter_audit.KINDS.items()
        }
    for name, (counted, by_rows) in found.items():
        for key in sorted(counted.keys() | by_rows.keys(), key=str):
            if counted.get(key) != by_rows.get(key):
                yield f"{name} {key}: counted {counted.get(key)}, by rows {by_rows.get(key)}"


def repair() -> None:
    """Set every counter to what its rows come to; nothing else is written meanwhile."""
    with write_transaction() as session:
        counter_audit.mend(session)
