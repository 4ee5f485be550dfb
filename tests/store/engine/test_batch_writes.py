"""Group commits speak as every unit of work does, also where the database is not to be had."""

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError, OperationalError

from app.services.notifications import alerts
from app.store.engine.batch_writes import BatchTransaction
from app.store.engine.db import dispose_engines
from tests.conftest import container_of


def test_a_database_that_cannot_be_opened_is_an_operational_error(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        dispose_engines()
        for file in tmp_path.glob("app.db*"):
            file.unlink()
        (tmp_path / "app.db").mkdir()
        with pytest.raises(OperationalError):
            container_of(app).batch_writer.write(lambda _: None)


def tell_of(app: Flask, *kinds: str) -> None:
    """Add alerts of these kinds in one group; the last one without a message, which must be."""
    adding = "INSERT INTO alert (kind, message, created_at) VALUES ('{}', {}, '2026-01-01')"

    def work(group: BatchTransaction) -> None:
        for kind in kinds:
            message = "NULL" if kind == kinds[-1] else "'it happened'"
            group.cursor.execute(adding.format(kind, message))

    container_of(app).batch_writer.write(work)


def test_what_the_database_refuses_is_an_integrity_error_and_leaves_nothing(
    app_on_each: Flask,
) -> None:
    with app_on_each.app_context():
        with pytest.raises(IntegrityError):
            tell_of(app_on_each, "a", "b")
        assert alerts.list_recent(5) == []
