"""The status of the database: whether it answers, its migration and its newest row."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.store.engine import migration_state
from app.store.engine.database_errors import describe
from app.store.engine.db import read_transaction
from app.store.queries import models, predictions


@dataclass(frozen=True)
class DatabaseStatus:
    """The status of the database; if there is an error, the other fields are unknown."""

    error: str | None = None
    revision: str | None = None
    is_migrated: bool = False
    newest_at: datetime | None = None


def check(migrations: Path) -> DatabaseStatus:
    """Query the database's status and compare its revision with the migrations in a folder."""
    try:
        with read_transaction() as session:
            revision = migration_state.current_revision(session)
            is_migrated = revision == migration_state.list_revisions(migrations)[0]
            newest_at = _newest_at(session) if is_migrated else None
    except SQLAlchemyError as error:
        return DatabaseStatus(error=str(describe(error) or type(error).__name__))
    return DatabaseStatus(None, revision, is_migrated, newest_at)


def _newest_at(session: Session) -> datetime | None:
    times = [models.last_deployed_at(session), predictions.last_created_at(session)]
    return max((at for at in times if at is not None), default=None)
