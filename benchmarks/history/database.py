"""What the checker reads and writes in the database itself: models before a run, rows after it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.predictions import SHORT_HASH_LENGTH, image_hash
from app.services.maintenance import counter_audit
from app.services.models import registry
from app.services.reviews import attention_checks
from app.store.engine import sqlite_backup
from app.store.engine.db import read_transaction, write_transaction
from app.store.queries import retrain_jobs
from app.store.tables import (
    AttentionCheck,
    Deployment,
    Feedback,
    Model,
    Prediction,
    Review,
    ReviewItem,
    TrafficCount,
    User,
)
from benchmarks.history.plan import MODELS_PER_VERSION
from benchmarks.history.trace import (
    FinalState,
    StoredDeployment,
    StoredFeedback,
    StoredLabel,
    StoredPrediction,
)
from config import ROOT

VERSIONS = ("v1", "v2")
MAX_LABELS = 100_000

Models = dict[str, list[tuple[int, str]]]
"""Ids and short hashes of the models of each version."""


def store_models(app: Flask) -> Models:
    """Store copies of the bundled models that differ in their name only, and so in their hash.

    They predict the same, so that no guarded rollout rolls one back by itself.
    """
    with app.app_context(), write_transaction() as session:
        models: Models = {}
        for version in VERSIONS:
            stored = [
                registry.get_or_create(session, f"{version} copy {number}", artifact)
                for number, artifact in enumerate(_copies(version))
            ]
            models[version] = [(model.id, model.sha256[:SHORT_HASH_LENGTH]) for model in stored]
        return models


def _copies(version: str) -> Iterator[bytes]:
    """Yield the bundled model itself, then copies of it."""
    bundled = (ROOT / "models" / f"{version}.onnx").read_bytes()
    yield bundled
    for number in range(1, MODELS_PER_VERSION + 1):
        model = onnx.load_from_string(bundled)
        model.doc_string = f"copy {number}"
        yield model.SerializeToString()


def read_state(app: Flask, database_file: Path | None) -> FinalState:
    """Return what is stored, after every server has stopped."""
    with app.app_context():
        with read_transaction() as session:
            state = FinalState(
                predictions=_predictions(session),
                feedback=_feedback(session),
                labels=_labels(session),
                deployments=_deployments(session),
                accounts={user.username: user.id for user in session.scalars(select(User))},
                open_items=_open_items(session),
                exported=_exported(session),
                served=_served(session),
            )
        state.counter_differences = list(counter_audit.list_differences())
    if database_file is not None:
        state.database_faults = sqlite_backup.list_faults(database_file)
    return state


def _predictions(session: Session) -> dict[str, StoredPrediction]:
    query = select(Prediction, Model.sha256).join(Model, Prediction.model_id == Model.id)
    return {
        str(row.id): StoredPrediction(
            row.user_id,
            row.version,
            sha256[:SHORT_HASH_LENGTH],
            row.predicted_digit,
            None if row.digit_image is None else image_hash(row.digit_image),
        )
        for row, sha256 in session.execute(query)
    }


def _feedback(session: Session) -> list[StoredFeedback]:
    return [
        StoredFeedback(
            None if row.prediction_id is None else str(row.prediction_id),
            row.user_id,
            row.correct,
            row.comment,
        )
        for row in session.scalars(select(Feedback).order_by(Feedback.id))
    ]


def _labels(session: Session) -> list[StoredLabel]:
    """Return labels and answered attention checks; those that count an erasure have no reviewer."""
    labels = session.scalars(
        select(Review).where(Review.reviewer_id.is_not(None)).order_by(Review.id)
    )
    answered = session.scalars(select(AttentionCheck).where(AttentionCheck.answer.is_not(None)))
    return [
        *(StoredLabel(str(row.prediction_id), row.reviewer_id or 0, row.label) for row in labels),
        *(StoredLabel(str(row.id), row.reviewer_id, row.answer or 0) for row in answered),
    ]


def _deployments(session: Session) -> list[StoredDeployment]:
    query = select(Deployment, Model.sha256).join(Model, Deployment.model_id == Model.id)
    return [
        StoredDeployment(
            row.id, row.version, sha256[:SHORT_HASH_LENGTH], row.is_rollback, row.reason
        )
        for row, sha256 in session.execute(query.order_by(Deployment.id))
    ]


def _open_items(session: Session) -> list[str]:
    query = select(ReviewItem.prediction_id).where(ReviewItem.is_open)
    return [str(prediction_id) for prediction_id in session.scalars(query)]


def _exported(session: Session) -> list[tuple[str, int, int]]:
    unreliable = attention_checks.unreliable_reviewer_ids(session)
    return [
        (image_hash(label.image), label.digit, label.submitter_id)
        for label in retrain_jobs.list_labels(session, unreliable, MAX_LABELS)
    ]


def _served(session: Session) -> dict[str, int]:
    counted = Counter[str]()
    for row in session.scalars(select(TrafficCount)):
        counted[row.version] += row.served
    return dict(counted)
