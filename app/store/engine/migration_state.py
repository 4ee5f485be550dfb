"""Which migrations there are, and which one a database is at."""

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session


def known(migrations: Path) -> list[str]:
    """Every migration in this folder, the last one first."""
    return [script.revision for script in ScriptDirectory(str(migrations)).walk_revisions()]


def current(session: Session) -> str | None:
    """The migration that the database is at; None for one that was never migrated."""
    return MigrationContext.configure(session.connection()).get_current_revision()
