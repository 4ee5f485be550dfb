"""Queries on predictions, which they take and return as domain objects."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, CursorResult, Dialect, Select, and_, case, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.domain.assignment import Version
from app.domain.predictions import IMAGE_SIZE, DigitImage, ModelOutput, ModelRef, Prediction
from app.store import tables
from app.store.engine.batch_writes import BatchTransaction, CompiledStatement, insert_rows

_LITTLE_ENDIAN = np.dtype("<f4")


def add(
    transaction: BatchTransaction, predictions: Sequence[tuple[Prediction, DigitImage]]
) -> None:
    """Add predictions with their preprocessed images (28, 28)."""
    rows = [_to_row(*each) for each in predictions]
    _insert(transaction.dialect).run(transaction, rows)


@cache
def _insert(dialect: Dialect) -> CompiledStatement:
    return insert_rows(tables.Prediction, dialect)


def get(session: Session, user_id: int, prediction_id: UUID) -> Prediction | None:
    """Return one of a user's own predictions."""
    found = session.execute(_with_models().where(_owned_by(user_id, prediction_id))).one_or_none()
    return None if found is None else _from_row(*found)


@dataclass(frozen=True)
class ServedPrediction:
    """The parts of a prediction that feedback on it is checked against."""

    digit: int
    probability: float
    version: str
    stage_id: int | None
    image: bytes


def lock_for_update(session: Session, user_id: int, prediction_id: UUID) -> ServedPrediction | None:
    """Return one of a user's own predictions, and let nobody else change it in this transaction."""
    row = tables.Prediction
    columns = (row.predicted_digit, row.probabilities, row.version, row.stage_id, row.digit_image)
    query = select(*columns).where(_owned_by(user_id, prediction_id))
    found = session.execute(query.with_for_update(key_share=True)).one_or_none()
    if found is None:
        return None
    digit, packed, version, stage_id, image = found
    return ServedPrediction(digit, _confidence(packed), version, stage_id, image or b"")


def list_page(session: Session, user_id: int, limit: int, before: UUID | None) -> list[Prediction]:
    """Return a user's own predictions with ids below `before`, newest first."""
    query = _with_models().where(_owned_by(user_id)).limit(limit)
    if before is not None:
        query = query.where(tables.Prediction.id < before)
    newest_first = query.order_by(tables.Prediction.id.desc())  # ids grow with time
    return [_from_row(*found) for found in session.execute(newest_first)]


def get_image(session: Session, user_id: int, prediction_id: UUID) -> DigitImage | None:
    """Return the image (28, 28) of one of a user's own predictions."""
    found = session.scalar(
        select(tables.Prediction.digit_image).where(_owned_by(user_id, prediction_id))
    )
    return None if found is None else _to_image(found)


def last_created_at(session: Session) -> datetime | None:
    """Return the time of the last prediction (ids grow with time)."""
    row = tables.Prediction
    return session.scalar(select(row.created_at).order_by(row.id.desc()).limit(1))


def erase(session: Session, user_id: int, prediction_ids: Collection[UUID] | None = None) -> int:
    """Remove owner and image from some of a user's own predictions, or from all; return how many.

    The rows stay with what the versions predicted, because counters include them.
    """
    owned = tables.Prediction.user_id == user_id
    if prediction_ids is not None:
        owned = and_(owned, tables.Prediction.id.in_(prediction_ids))
    erased = update(tables.Prediction).where(owned).values(user_id=None, digit_image=None)
    return cast("CursorResult[Any]", session.execute(erased)).rowcount


def is_erased(session: Session, prediction_id: UUID) -> bool:
    """Return whether a prediction has been erased or does not exist."""
    row = tables.Prediction
    return (
        session.scalar(select(row.digit_image.is_(None)).where(row.id == prediction_id))
        is not False
    )


def list_oldest_ids(
    session: Session, user_id: int, limit: int, before: datetime | None = None
) -> list[UUID]:
    """Return the ids of a user's oldest predictions, all or those from before a moment."""
    query = select(tables.Prediction.id).where(tables.Prediction.user_id == user_id)
    if before is not None:
        query = query.where(tables.Prediction.id < min_id(before))
    return list(session.scalars(query.order_by(tables.Prediction.id).limit(limit)))


def lock_all(session: Session, user_id: int, prediction_ids: Collection[UUID]) -> None:
    """Let nobody else change these predictions of a user, or give feedback on them."""
    row = tables.Prediction
    query = select(row.id).where(row.user_id == user_id, row.id.in_(prediction_ids))
    session.execute(query.order_by(row.id).with_for_update(key_share=True)).all()


def get_image_of_any_user(session: Session, prediction_id: UUID) -> DigitImage:
    """Return the image (28, 28) of a prediction that is not erased."""
    row = tables.Prediction
    query = select(row.digit_image).where(row.id == prediction_id, row.digit_image.is_not(None))
    return _to_image(session.scalars(query).one() or b"")


@dataclass(frozen=True)
class VersionOutput:
    """The digit that a version predicted, with what confidence, and whether the other disagrees."""

    id: UUID
    digit: int
    confidence: float
    disagrees: bool | None


def list_outputs(
    session: Session, version: Version, since: datetime, limit: int, *, last: bool = False
) -> list[VersionOutput]:
    """Return a version's outputs since then, served or in shadow: the first ones, or the last.

    They are in the order of time either way.
    """
    row = tables.Prediction
    is_served = row.version == version
    query = (
        select(
            row.id,
            case((is_served, row.predicted_digit), else_=row.shadow_digit),
            case((is_served, row.probabilities), else_=row.shadow_probabilities),
            row.shadow_digit != row.predicted_digit,
        )
        .where(row.id >= min_id(since))
        .where(or_(is_served, row.shadow_digit.is_not(None)))
        .order_by(row.id.desc() if last else row.id)
        .limit(limit)
    )
    found = [
        VersionOutput(prediction_id, digit, _confidence(packed), disagrees)
        for prediction_id, digit, packed, disagrees in session.execute(query)
    ]
    return found[::-1] if last else found


def min_id(since: datetime) -> UUID:
    """Return the least id from then on: a UUIDv7 begins with 48 bits of time in ms."""
    return UUID(int=max(0, int(since.timestamp() * 1000)) << 80)


def _owned_by(user_id: int, prediction_id: UUID | None = None) -> ColumnElement[bool]:
    """Return the condition that a prediction is a user's, and that it is this one if given."""
    is_own = tables.Prediction.user_id == user_id
    if prediction_id is None:
        return is_own
    return and_(is_own, tables.Prediction.id == prediction_id)


def _with_models() -> Select[tables.Prediction, tables.Model, tables.Model]:
    """Select predictions, each with its model and its shadow model, if any.

    The aliases are made for each query: an alias fills in its columns at its first use, and two
    threads that do so at once leave it broken for the life of the process.
    """
    model, shadow_model = aliased(tables.Model), aliased(tables.Model)
    return (
        select(tables.Prediction, model, shadow_model)
        .join(model, tables.Prediction.model_id == model.id)
        .outerjoin(shadow_model, tables.Prediction.shadow_model_id == shadow_model.id)
    )


def _to_image(stored: bytes) -> DigitImage:
    return np.frombuffer(stored, dtype=np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)


def _to_row(prediction: Prediction, image: DigitImage) -> dict[str, object]:
    shadow = prediction.shadow
    return {
        "id": prediction.id,
        "user_id": prediction.user_id,
        "created_at": prediction.created_at,
        "version": prediction.version.value,
        "model_id": prediction.output.model.id,
        "predicted_digit": prediction.output.digit,
        "probabilities": _pack(prediction.output),
        "digit_image": image.tobytes(),
        "latency_us": prediction.latency_us,
        "stage_id": prediction.stage_id,
        "assignment_probability": prediction.assignment_probability,
        "shadow_model_id": shadow and shadow.model.id,
        "shadow_digit": shadow and shadow.digit,
        "shadow_probabilities": shadow and _pack(shadow),
    }


def _from_row(
    stored: tables.Prediction, model: tables.Model, shadow_model: tables.Model | None
) -> Prediction:
    shadow = None
    if shadow_model is not None and stored.shadow_probabilities is not None:
        shadow = _to_output(shadow_model, stored.shadow_probabilities)
    return Prediction(
        id=stored.id,
        user_id=stored.user_id or 0,
        created_at=stored.created_at,
        version=Version(stored.version),
        output=_to_output(model, stored.probabilities),
        assignment_probability=stored.assignment_probability,
        shadow=shadow,
    )


def _pack(output: ModelOutput) -> bytes:
    return output.probabilities.astype(_LITTLE_ENDIAN).tobytes()


def _confidence(packed: bytes) -> float:
    return float(np.frombuffer(packed, dtype=_LITTLE_ENDIAN).max())


def _to_output(model: tables.Model, packed: bytes) -> ModelOutput:
    ref = ModelRef(model.id, model.name, model.sha256)
    return ModelOutput(ref, np.frombuffer(packed, dtype=_LITTLE_ENDIAN).astype(np.float32))
