"""Queries on predictions: rows in and out, as domain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, Select, and_, select, update
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
    found = session.execute(_named().where(_own(user_id, prediction_id))).one_or_none()
    return None if found is None else _from_row(*found)


@dataclass(frozen=True)
class Answered:
    """What a word on a prediction has to be held against."""

    digit: int
    version: str
    stage_id: int | None
    image: bytes


def lock(session: Session, user_id: int, prediction_id: UUID) -> Answered | None:
    """What one of a user's own predictions answered; nobody else changes it in this unit."""
    row = tables.Prediction
    query = select(row.digit, row.version, row.stage_id, row.image).with_for_update(key_share=True)
    found = session.execute(query.where(_own(user_id, prediction_id))).one_or_none()
    return None if found is None else Answered(*found[:3], found[3] or b"")


def page(session: Session, user_id: int, limit: int, before: UUID | None) -> list[Prediction]:
    """A user's own predictions, the newest first (ids grow with time), from before an id."""
    query = _named().where(_own(user_id)).order_by(tables.Prediction.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tables.Prediction.id < before)
    return [_from_row(*found) for found in session.execute(query)]


def image(session: Session, user_id: int, prediction_id: UUID) -> Digit | None:
    """The digit (28, 28) that one of a user's own predictions was made on."""
    found = session.scalar(select(tables.Prediction.image).where(_own(user_id, prediction_id)))
    return None if found is None else _digit(found)


def erase(session: Session, user_id: int, prediction_id: UUID | None = None) -> None:
    """Blank one of a user's own predictions, or all of them.

    What the versions said stays, since it was counted; owner and image go.
    """
    erased = _own(user_id, prediction_id)
    session.execute(update(tables.Prediction).where(erased).values(user_id=None, image=None))


def image_of(session: Session, prediction_id: UUID) -> Digit:
    """The digit (28, 28) that a prediction, which is not erased, was made on."""
    row = tables.Prediction
    query = select(row.image).where(row.id == prediction_id, row.image.is_not(None))
    return _digit(session.scalars(query).one() or b"")


def _own(user_id: int, prediction_id: UUID | None = None) -> ColumnElement[bool]:
    """The condition that a prediction is a user's, and where an id is given, this one."""
    is_theirs = tables.Prediction.user_id == user_id
    if prediction_id is None:
        return is_theirs
    return and_(is_theirs, tables.Prediction.id == prediction_id)


_model, _shadow_model = aliased(tables.Model), aliased(tables.Model)


def _named() -> Select[tables.Prediction, tables.Model, tables.Model]:
    """Predictions, each with its model and, where another version shadowed, that one."""
    return (
        select(tables.Prediction, _model, _shadow_model)
        .join(_model, tables.Prediction.model_id == _model.id)
        .outerjoin(_shadow_model, tables.Prediction.shadow_model_id == _shadow_model.id)
    )


def _digit(stored: bytes) -> Digit:
    return np.frombuffer(stored, dtype=np.uint8).reshape(SIDE, SIDE)


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
        latency_us=prediction.latency_us,
        stage_id=prediction.stage_id,
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
        user_id=stored.user_id or 0,
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
