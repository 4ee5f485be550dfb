"""Queries on predictions: rows in and out, as domain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, Dialect, Select, and_, case, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.domain.assignment import Version
from app.domain.predictions import IMAGE_SIZE, DigitImage, ModelOutput, ModelRef, Prediction
from app.store import tables
from app.store.engine.batch_writes import BatchTransaction, CompiledStatement, insert_rows

_LITTLE_ENDIAN = np.dtype("<f4")


def add(group: BatchTransaction, predictions: Sequence[tuple[Prediction, DigitImage]]) -> None:
    """Add predictions with the digits that they were made on."""
    _adding(group.dialect).run(group, [_to_row(*each) for each in predictions])


@cache
def _adding(dialect: Dialect) -> CompiledStatement:
    return insert_rows(tables.Prediction, dialect)


def get(session: Session, user_id: int, prediction_id: UUID) -> Prediction | None:
    """One of a user's own predictions."""
    found = session.execute(_named().where(_own(user_id, prediction_id))).one_or_none()
    return None if found is None else _from_row(*found)


@dataclass(frozen=True)
class ServedPrediction:
    """What a word on a prediction has to be held against."""

    digit: int
    probability: float
    version: str
    stage_id: int | None
    get_image: bytes


def lock_for_update(session: Session, user_id: int, prediction_id: UUID) -> ServedPrediction | None:
    """What one of a user's own predictions answered; nobody else changes it in this unit."""
    row = tables.Prediction
    query = select(
        *(row.predicted_digit, row.probabilities, row.version, row.stage_id, row.digit_image)
    )
    own = query.where(_own(user_id, prediction_id)).with_for_update(key_share=True)
    found = session.execute(own).one_or_none()
    if found is None:
        return None
    digit, packed, version, stage_id, get_image = found
    return ServedPrediction(digit, _top(packed), version, stage_id, get_image or b"")


def list_page(session: Session, user_id: int, limit: int, before: UUID | None) -> list[Prediction]:
    """A user's own predictions, the newest first (ids grow with time), from before an id."""
    query = _named().where(_own(user_id)).order_by(tables.Prediction.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tables.Prediction.id < before)
    return [_from_row(*found) for found in session.execute(query)]


def get_image(session: Session, user_id: int, prediction_id: UUID) -> DigitImage | None:
    """The digit (28, 28) that one of a user's own predictions was made on."""
    found = session.scalar(
        select(tables.Prediction.digit_image).where(_own(user_id, prediction_id))
    )
    return None if found is None else _digit(found)


def last_created_at(session: Session) -> datetime | None:
    """When the last prediction was made (ids grow with time)."""
    row = tables.Prediction
    return session.scalar(select(row.created_at).order_by(row.id.desc()).limit(1))


def erase(session: Session, user_id: int, prediction_id: UUID | None = None) -> None:
    """Blank one of a user's own predictions, or all of them.

    What the versions said stays, since it was counted; owner and image go.
    """
    erased = _own(user_id, prediction_id)
    session.execute(update(tables.Prediction).where(erased).values(user_id=None, digit_image=None))


def is_erased(session: Session, prediction_id: UUID) -> bool:
    """Whether a prediction has lost its image."""
    row = tables.Prediction
    return (
        session.scalar(select(row.digit_image.is_(None)).where(row.id == prediction_id))
        is not False
    )


def find_expired(session: Session, moment: datetime, limit: int) -> tuple[int, list[UUID]] | None:
    """Somebody who has predictions from before a moment, and the oldest of them; None if nobody."""
    row, is_old = tables.Prediction, tables.Prediction.id < _first_id(moment)
    has_old = select(row.id).where(row.user_id == tables.User.id, is_old).exists()
    owner = session.scalar(select(tables.User.id).where(has_old).limit(1))
    if owner is None:
        return None
    oldest = select(row.id).where(row.user_id == owner, is_old).order_by(row.id).limit(limit)
    return owner, list(session.scalars(oldest))


def get_image_of_any_user(session: Session, prediction_id: UUID) -> DigitImage:
    """The digit (28, 28) that a prediction, which is not erased, was made on."""
    row = tables.Prediction
    query = select(row.digit_image).where(row.id == prediction_id, row.digit_image.is_not(None))
    return _digit(session.scalars(query).one() or b"")


@dataclass(frozen=True)
class VersionOutput:
    """What a version named on a picture, how sure it was, and whether the other one differs."""

    id: UUID
    digit: int
    confidence: float
    disagrees: bool | None


def list_outputs(
    session: Session, version: Version, since: datetime, limit: int, *, last: bool = False
) -> list[VersionOutput]:
    """What a version named since then, drawn or in the shadow: the first so many, or the last.

    In the order of time either way.
    """
    row = tables.Prediction
    is_drawn = row.version == version
    query = (
        select(
            row.id,
            case((is_drawn, row.predicted_digit), else_=row.shadow_digit),
            case((is_drawn, row.probabilities), else_=row.shadow_probabilities),
            row.shadow_digit != row.predicted_digit,
        )
        .where(row.id >= _first_id(since))
        .where(or_(is_drawn, row.shadow_digit.is_not(None)))
        .order_by(row.id.desc() if last else row.id)
        .limit(limit)
    )
    found = [
        VersionOutput(made, digit, _top(packed), disagrees)
        for made, digit, packed, disagrees in session.execute(query)
    ]
    return found[::-1] if last else found


def _first_id(since: datetime) -> UUID:
    """The least id that a prediction can have from then on: ids begin with their time."""
    return UUID(int=max(0, int(since.timestamp() * 1000)) << 80)


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


def _digit(stored: bytes) -> DigitImage:
    return np.frombuffer(stored, dtype=np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)


def _to_row(prediction: Prediction, digit: DigitImage) -> dict[str, object]:
    shadow = prediction.shadow
    return {
        "id": prediction.id,
        "user_id": prediction.user_id,
        "created_at": prediction.created_at,
        "version": prediction.version.value,
        "model_id": prediction.output.model.id,
        "predicted_digit": prediction.output.digit,
        "probabilities": _pack(prediction.output),
        "digit_image": digit.tobytes(),
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
        shadow = _reading(shadow_model, stored.shadow_probabilities)
    return Prediction(
        id=stored.id,
        user_id=stored.user_id or 0,
        created_at=stored.created_at,
        version=Version(stored.version),
        output=_reading(model, stored.probabilities),
        assignment_probability=stored.assignment_probability,
        shadow=shadow,
    )


def _pack(reading: ModelOutput) -> bytes:
    return reading.probabilities.astype(_LITTLE_ENDIAN).tobytes()


def _top(packed: bytes) -> float:
    return float(np.frombuffer(packed, dtype=_LITTLE_ENDIAN).max())


def _reading(model: tables.Model, packed: bytes) -> ModelOutput:
    name = ModelRef(model.id, model.name, model.sha256)
    return ModelOutput(name, np.frombuffer(packed, dtype=_LITTLE_ENDIAN).astype(np.float32))
