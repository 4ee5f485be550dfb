"""Batch writes raise the errors that ORM transactions raise."""

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError, OperationalError

from app.services.notifications import alerts
from app.store.engine.batch_writes import BatchTransaction
from app.store.engine.db import dispose_engines
from tests.conftest import container_of


def test_unavailable_database_raises_operational_error(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        dispose_engines()
        for file in tmp_path.glob("app.db*"):
            file.unlink()
        (tmp_path / "app.db").mkdir()
        with pytest.raises(OperationalError):
            container_of(app).batch_writer.write(lambda _: None)


def add_alerts(app: Flask, *kinds: str) -> None:
    """Add alerts of these kinds in one batch; the last has no message, which the table requires."""
    insert = "INSERT INTO alert (kind, message, created_at) VALUES ('{}', {}, '2026-01-01')"

    def work(transaction: BatchTransaction) -> None:
        for kind in kinds:
            message = "NULL" if kind == kinds[-1] else "'it happened'"
            transaction.cursor.execute(insert.format(kind, message))

    container_of(app).batch_writer.write(work)


def test_rejected_row_raises_integrity_error_and_rolls_back_the_batch(
    app_on_each: Flask,
) -> None:
    with app_on_each.app_context():
        with pytest.raises(IntegrityError):
            add_alerts(app_on_each, "a", "b")
        assert alerts.list_recent(5) == []
