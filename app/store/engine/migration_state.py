"""List the migrations, and read which one a database is at."""

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session


def list_revisions(migrations: Path) -> list[str]:
    """Return the revisions in this folder, newest first."""
    return [script.revision for script in ScriptDirectory(str(migrations)).walk_revisions()]


def current_revision(session: Session) -> str | None:
    """Return the revision that the database is at, or None if it was never migrated."""
    return MigrationContext.configure(session.connection()).get_current_revision()
