"""Find out whether rows can be written, without writing any: what readiness asks each time."""

import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.store.tables import Base, FeedbackCount, LoginSession, Prediction, ReviewItem, TrafficCount

# The tables whose rows requests change as well as add.
_UPDATED = (FeedbackCount, LoginSession, Prediction, ReviewItem, TrafficCount)

_IS_MIGRATED = text("SELECT version_num FROM alembic_version")
_IS_READ_ONLY = text("SHOW transaction_read_only")
_UNPRIVILEGED = text("""
    SELECT name FROM unnest(CAST(:names AS text[])) AS name
    WHERE NOT coalesce(has_table_privilege(to_regclass(quote_ident(name)), :privilege), false)
""")


def find_obstacle(session: Session) -> str | None:
    """Return why rows cannot be written; None if they can be. Raises what the database raises."""
    session.execute(_IS_MIGRATED).all()  # read from the file: SELECT 1 does not
    if session.get_bind().dialect.name == "postgresql":
        return next(_postgresql_obstacles(session), None)
    database = session.connection().engine.url.database
    return next(_file_obstacles(Path(database or "")), None)


def _postgresql_obstacles(session: Session) -> Iterator[str]:
    if session.scalar(_IS_READ_ONLY) == "on":  # the server is a standby, say
        yield "The database is read-only"
    every = [mapper.local_table.name for mapper in Base.registry.mappers]  # type: ignore[attr-defined]
    updated = [table.__tablename__ for table in _UPDATED]
    for privilege, names in (("SELECT", every), ("INSERT", every), ("UPDATE", updated)):
        found = session.scalars(_UNPRIVILEGED, {"names": names, "privilege": privilege}).all()
        if found:
            yield f"Cifra's database user may not {privilege} in the table {found[0]}"


def _file_obstacles(database: Path) -> Iterator[str]:
    """Check file and folder: SQLite creates its journal files in the folder."""
    for path in (database, database.parent):
        if not os.access(path, os.W_OK, effective_ids=True):
            yield f"{path.name} cannot be written"
