"""Queries on predictions: rows in and out, as domain values."""

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.orm import Session, aliased

from app.domain.assignment import Version
from app.domain.readings import SIDE, Digit, ModelName, Prediction, Reading
from app.store import tables

_LITTLE_ENDIAN = np.dtype("<f4")


def add(session: Session, predictions: Sequence[tuple[Prediction, Digit]]) -> None:
    """Add predictions with the digits that they were made on."""
    session.add_all(_to_row(prediction, digit) for prediction, digit in predictions)


def find(session: Session, user_id: int, prediction_id: UUID) -> Prediction | None:
    """One of a user's own predictions."""
    found = session.execute(
        _own(user_id).where(tables.Prediction.id == prediction_id)
    ).one_or_none()
    return None if found is None else _from_row(*found)


def lock(session: Session, user_id: int, prediction_id: UUID) -> int | None:
    """The digit that answered, with the row kept from others to the end of this unit."""
    return session.scalar(
        select(tables.Prediction.digit).where(*_is_own(user_id, prediction_id)).with_for_update()
    )


def page(session: Session, user_id: int, limit: int, before: UUID | None) -> list[Prediction]:
    """A user's own predictions, the newest first (ids grow with time), from before an id."""
    query = _own(user_id).order_by(tables.Prediction.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tables.Prediction.id < before)
    return [_from_row(*found) for found in session.execute(query)]


def image(session: Session, user_id: int, prediction_id: UUID) -> Digit | None:
    """The digit (28, 28) that one of a user's own predictions was made on."""
    found = session.scalar(select(tables.Prediction.image).where(*_is_own(user_id, prediction_id)))
    return None if found is None else np.frombuffer(found, dtype=np.uint8).reshape(SIDE, SIDE)


def erase(session: Session, user_id: int, prediction_id: UUID) -> bool:
    """Remove one of a user's own predictions with its image and the words on it."""
    removed = session.execute(
        delete(tables.Prediction)
        .where(*_is_own(user_id, prediction_id))
        .returning(tables.Prediction.id)
    )
    return removed.one_or_none() is not None


_model, _shadow_model = aliased(tables.Model), aliased(tables.Model)


def _own(user_id: int) -> Select[tables.Prediction, tables.Model, tables.Model]:
    """Predictions of a user, each with its model and, where another version shadowed, that one."""
    return (
        select(tables.Prediction, _model, _shadow_model)
        .join(_model, tables.Prediction.model_id == _model.id)
        .outerjoin(_shadow_model, tables.Prediction.shadow_model_id == _shadow_model.id)
        .where(tables.Prediction.user_id == user_id)
    )


def _is_own(user_id: int, prediction_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return tables.Prediction.user_id == user_id, tables.Prediction.id == prediction_id


def _to_row(prediction: Prediction, digit: Digit) -> tables.Prediction:
    shadow = prediction.shadow
    return tables.Prediction(
        id=prediction.id,
        user_id=prediction.user_id,
        created_at=prediction.created_at,
        version=prediction.version,
        model_id=prediction.reading.model.id,
        digit=prediction.reading.digit,
        probabilities=_pack(prediction.reading),
        image=digit.tobytes(),
        assignment_probability=prediction.assignment_probability,
        shadow_model_id=shadow and shadow.model.id,
        shadow_digit=shadow and shadow.digit,
        shadow_probabilities=shadow and _pack(shadow),
    )


def _from_row(
    stored: tables.Prediction, model: tables.Model, shadow_model: tables.Model | None
) -> Prediction:
    shadow = None
    if shadow_model is not None and stored.shadow_probabilities is not None:
        shadow = _reading(shadow_model, stored.shadow_probabilities)
    return Prediction(
        id=stored.id,
        user_id=stored.user_id,
        created_at=stored.created_at,
        version=Version(stored.version),
        reading=_reading(model, stored.probabilities),
        assignment_probability=stored.assignment_probability,
        shadow=shadow,
    )


def _pack(reading: Reading) -> bytes:
    return reading.probabilities.astype(_LITTLE_ENDIAN).tobytes()


def _reading(model: tables.Model, packed: bytes) -> Reading:
    name = ModelName(model.id, model.name, model.sha256)
    return Reading(name, np.frombuffer(packed, dtype=_LITTLE_ENDIAN).astype(np.float32))
