"""Batches of predictions that several processes write concurrently."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from flask import Flask
from sqlalchemy import text

from app.domain.assignment import Version
from app.imaging.preprocessing import preprocess
from app.services.maintenance import counter_audit
from app.services.predictions.predictor import PredictionRequest
from app.store.engine.db import read_transaction
from tests.conftest import (
    Disagreements,
    admin_client,
    bootstrapped_app,
    container_of,
    make_config,
    opened_app,
    postgres_database,
    register_user,
    run_concurrently,
)
from tests.services.experiments.test_lifecycle import start_experiment

USERS = 24


def test_two_processes_write_the_same_users_and_images_without_deadlock(
    postgres_url: str, tmp_path: Path, disagreements: Disagreements
) -> None:
    pngs = disagreements.pngs[:USERS]
    with postgres_database(postgres_url) as url:
        config = make_config(tmp_path, DATABASE_URL=url, RATELIMIT_ENABLED="false")
        with bootstrapped_app(config) as app, opened_app(config) as other:
            for name in range(USERS):
                register_user(app, f"user {name}")
            with app.app_context(), read_transaction() as session:
                users = list(session.scalars(text("""SELECT id FROM "user" ORDER BY id""")))[1:]
            admin, sent = admin_client(app), list(zip(users, pngs, strict=True))
            for _ in range(5):
                start_experiment(admin, unit="user")
                calls = predict_batch_of(app, sent), predict_batch_of(other, sent[::-1])
                written = [answer for answers in run_concurrently(2, *calls) for answer in answers]
                assert [answer for answer in written if isinstance(answer, Exception)] == []
            with app.app_context(), read_transaction() as session:
                assert session.scalar(text("SELECT count(*) FROM exposure")) == 5 * USERS
                assert session.scalar(text("SELECT count(*) FROM review_item")) == 5 * USERS
            with app.app_context():
                assert list(counter_audit.list_differences()) == []


def predict_batch_of(
    app: Flask, sent: Sequence[tuple[int, bytes]]
) -> Callable[[], Sequence[object]]:
    """Return a call that predicts all images as one batch, with the current traffic split."""
    parts = container_of(app)
    parts.split_cache.invalidate()
    split, started_at_s = parts.split_cache.current(), time.perf_counter()
    requests = [PredictionRequest(user, png, Version.V1, started_at_s, split) for user, png in sent]
    return lambda: parts.predictor.predict_many(requests, preprocess)
