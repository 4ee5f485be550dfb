"""Connect Alembic to the database with the transactions of app/store/engine/db.py."""

from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import create_engine, event, func, make_url, select
from sqlalchemy.pool import NullPool

from app.store.engine.db import WRITE_OPTION, AdvisoryLock, begin_sqlite
from app.store.tables import Base

# Another database than the application's if the caller says so (migration_state.upgrade_file).
_URL = make_url(
    context.config.attributes.get("database_url") or current_app.config["SQLALCHEMY_DATABASE_URI"]
)


def _use_wal(connection: Any, _: object) -> None:
    """Let others read committed data while a migration writes, as the backup of 0008 does."""
    connection.execute("PRAGMA journal_mode=WAL")


def _migrate() -> None:
    """Run the migrations in one transaction, without foreign keys so that tables can be rebuilt."""
    is_sqlite = _URL.drivername == "sqlite"
    driver = {"isolation_level": None} if is_sqlite else {}
    engine = create_engine(_URL, poolclass=NullPool, connect_args=driver)
    if is_sqlite:
        event.listen(engine, "connect", _use_wal)
        event.listen(engine, "begin", begin_sqlite)
    with engine.connect().execution_options(**{WRITE_OPTION: True}) as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
            compare_type=True,
        )
        with context.begin_transaction():
            if not is_sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(AdvisoryLock.MIGRATIONS)))
            context.run_migrations()


_migrate()
