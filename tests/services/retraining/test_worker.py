"""The worker's database is away while it trains: the result is written once it is back."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import URL, create_engine, text

from app.services.background.periodic_worker import PeriodicWorker
from app.services.retraining import jobs, worker
from app.services.retraining.worker import run_pending
from app.store.engine.db import db, write_transaction
from app.store.queries import retrain_jobs
from app.store.tables import RetrainJob
from tests.conftest import bootstrapped_app, container_of, make_config, postgres_database
from tests.services.retraining.test_training_process import replace_training_code
from tests.support.live_client import wait_until

TRAINING = """
import time
from pathlib import Path
Path("started").touch()
while not Path("go").exists():
    time.sleep(0.05)
raise SystemExit("no candidate today")
"""


@pytest.fixture
def app(
    tmp_path: Path,
    postgres_url: str,
    postgres_template: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Flask]:
    monkeypatch.setattr(PeriodicWorker, "trigger", lambda _: None)
    with (
        postgres_database(postgres_url, postgres_template) as url,
        bootstrapped_app(make_config(tmp_path, DATABASE_URL=url)) as made,
    ):
        yield made


@contextmanager
def no_connections(url: URL) -> Iterator[None]:
    """End all connections to a database, and let nobody connect until the block ends."""
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    allow = f"ALTER DATABASE {url.database} WITH ALLOW_CONNECTIONS "
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
    with engine.connect() as connection:
        connection.execute(text(f"{allow} false"))
        connection.execute(text(end), {"name": url.database})
        try:
            yield
        finally:
            connection.execute(text(f"{allow} true"))
    engine.dispose()


def test_a_result_is_written_once_the_database_answers(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    replace_training_code(TRAINING, monkeypatch, tmp_path)
    monkeypatch.setattr(worker, "RETRY_DELAY_S", 0.1)
    job = RetrainJob(version="v1", deploy="manual", status="queued", created_at=datetime.now(UTC))
    with app.app_context():
        with write_transaction() as session:
            retrain_jobs.add(session, job)
        url = db.engine.url
    stop_event = threading.Event()

    def work() -> None:
        with app.app_context():
            run_pending(container_of(app).training_config, stop_event)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_until((tmp_path / "started").exists, "the training")
        with no_connections(url):
            wait_until(lambda: "trying again" in caplog.text, "a heartbeat")
            (tmp_path / "go").touch()
            wait_until(lambda: not any((tmp_path / "retrains").iterdir()), "the end of training")
    finally:
        thread.join(60)
    with app.app_context():
        ended = jobs.get(job.id)
    assert (ended.status, ended.error) == (
        "failed",
        "the training process exited: no candidate today",
    )
    assert caplog.text.count("trying again") == 1
    assert caplog.text.count("answers again") == 1
