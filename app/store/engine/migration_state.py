"""Read which migration a database is at, and upgrade it.

Flask-Migrate and Alembic are imported only if there is something to migrate: importing them takes a
sixth of a start.
"""

from pathlib import Path

from flask import Flask, current_app
from sqlalchemy import URL, column, inspect, select, table
from sqlalchemy.orm import Session

from app.domain.errors import Conflict
from app.store.engine.db import db, read_transaction

_VERSION = select(table("alembic_version", column("version_num")).c.version_num)


def list_revisions(migrations: Path) -> list[str]:
    """Return the revisions in this folder, newest first; file names begin with them."""
    paths = (migrations / "versions").glob("[0-9]*.py")
    return sorted((path.name.split("_")[0] for path in paths), reverse=True)


def current_revision(session: Session) -> str | None:
    """Return the revision that the database is at, or None if it was never migrated."""
    if not inspect(session.connection()).has_table("alembic_version"):
        return None
    return session.scalar(_VERSION)


def upgrade(migrations: Path) -> None:
    """Run the migrations that the database lacks. Needs an application context.

    Raise Conflict if it is at a migration that is not in the folder.
    """
    known = list_revisions(migrations)
    with read_transaction() as session:
        current = current_revision(session)
    if current == known[0]:
        return
    if current is not None and current not in known:
        raise Conflict(
            f"The database is at migration {current}, and this release knows none after {known[0]}:"
            " start the release that wrote it, downgrade with that one, or restore a backup"
        )
    import flask_migrate  # noqa: PLC0415  see above

    register_flask_migrate(current_app, migrations)
    flask_migrate.upgrade()


def upgrade_file(path: Path, migrations: Path, revision: str = "head") -> None:
    """Migrate a SQLite file that is not the application's; create it if it does not exist.

    Raise what the migrations raise.
    """
    from alembic import command  # noqa: PLC0415  see above
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["database_url"] = URL.create("sqlite", database=str(path))
    command.upgrade(config, revision)


def register_flask_migrate(app: Flask, migrations: Path) -> None:
    """Register Flask-Migrate, and so the commands `flask --app wsgi db`."""
    from flask_migrate import Migrate  # noqa: PLC0415  see above

    Migrate(app, db, directory=str(migrations))
