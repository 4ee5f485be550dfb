"""Migrations create exactly the mapped tables."""

import flask_migrate
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask

from app.store.engine.db import db
from app.store.tables import Base


def test_migrations_create_the_mapped_tables(app_on_each: Flask) -> None:
    with app_on_each.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(app_on_each: Flask) -> None:
    with app_on_each.app_context():
        with db.engine.connect() as connection:
            before = MigrationContext.configure(connection).get_current_revision()
        flask_migrate.upgrade()
        with db.engine.connect() as connection:
            assert MigrationContext.configure(connection).get_current_revision() == before
