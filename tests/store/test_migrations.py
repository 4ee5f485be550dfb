"""Migrations create exactly the mapped tables."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import text

from app.domain.errors import Conflict
from app.store.engine import migration_state
from app.store.engine.db import db, read_transaction, write_transaction
from app.store.tables import Base
from config import ROOT

MIGRATIONS = ROOT / "migrations"


def test_migrations_create_the_mapped_tables(app_on_each: Flask) -> None:
    with app_on_each.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def revision_of(app: Flask) -> str | None:
    with app.app_context(), read_transaction() as session:
        return migration_state.current_revision(session)


def test_revisions_are_those_that_alembic_finds() -> None:
    found = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    assert migration_state.list_revisions(MIGRATIONS) == found


def test_migrating_again_changes_nothing(app_on_each: Flask) -> None:
    before = revision_of(app_on_each)
    with app_on_each.app_context():
        migration_state.upgrade(MIGRATIONS)
    assert revision_of(app_on_each) == before


def test_a_database_of_a_newer_release_is_rejected_and_stays_as_it_is(app_on_each: Flask) -> None:
    with app_on_each.app_context():
        with write_transaction() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(Conflict, match="at migration 9999, and this release knows none after"):
            migration_state.upgrade(MIGRATIONS)
    assert revision_of(app_on_each) == "9999"
