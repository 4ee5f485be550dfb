"""Recounting: whether the counters still say what the rows say."""

from collections.abc import Iterator

from app.store import recount
from app.store.db import reading


def differences() -> Iterator[str]:
    """A line for every counter that is not what its rows come to; none if all is well."""
    with reading() as session:
        counted, recounted = recount.counted(session), recount.recounted(session)
    for name, by_rows in recounted.items():
        for key in sorted(counted[name].keys() | by_rows.keys(), key=str):
            said, found = counted[name].get(key), by_rows.get(key)
            if said != found:
                yield f"{name} {key}: counted {said}, by rows {found}"
