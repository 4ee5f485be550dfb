"""Predicting: a picture in, a stored prediction out; the row is there before the answer leaves."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app.domain.assignment import Split, Unit, Version
from app.domain.errors import PictureError
from app.domain.readings import Digit, Prediction, Reading, picture_hash
from app.imaging import digits
from app.services.inference import InferenceService
from app.store import counters, experiments, predictions, reviews
from app.store.counters import NO_UNITS, Units
from app.store.db import writing


def predict(
    inference: InferenceService, version: Version, user_id: int, image_bytes: bytes
) -> Prediction:
    """Let one version read a picture. Raises PictureError."""
    made = _read(inference, version, user_id, image_bytes)
    with writing() as session:
        _add(session, [made])
    return made[0]


def predict_split(
    inference: InferenceService, split: Split, user_id: int, image_bytes: bytes
) -> Prediction:
    """Let both versions read a picture; the one that is drawn answers. Raises PictureError.

    Where an experiment runs, a picture on which they disagree is put into its review queue, and
    so is a random one in twenty of the others.
    """
    begun_s = time.perf_counter()
    digit = digits.read(image_bytes)
    prediction_id = uuid7()
    drawn = split.draw(user_id, prediction_id)
    answer = inference.read(drawn.version, digit)
    latency_us = _since_us(begun_s)
    shadow = inference.read(drawn.version.other, digit)
    split = _as_compared(split, drawn.version, answer, shadow)
    prediction = Prediction(
        id=prediction_id,
        user_id=user_id,
        created_at=datetime.now(UTC),
        version=drawn.version,
        reading=answer,
        latency_us=latency_us,
        stage_id=split.stage_id,
        assignment_probability=drawn.probability,
        shadow=shadow,
    )
    _store_split(split, prediction, digit)
    return prediction


def predict_batch(
    inference: InferenceService, version: Version, user_id: int, pictures: Sequence[bytes]
) -> list[Prediction | PictureError]:
    """Let one version read many pictures; in their order, each a prediction or its own error."""
    read: list[tuple[Prediction, Digit] | PictureError] = []
    for image_bytes in pictures:
        try:
            read.append(_read(inference, version, user_id, image_bytes))
        except PictureError as error:
            read.append(error)
    with writing() as session:
        _add(session, [one for one in read if not isinstance(one, PictureError)])
    return [one if isinstance(one, PictureError) else one[0] for one in read]


def _read(
    inference: InferenceService, version: Version, user_id: int, image_bytes: bytes
) -> tuple[Prediction, Digit]:
    begun_s = time.perf_counter()
    digit = digits.read(image_bytes)
    prediction = Prediction(
        id=uuid7(),
        user_id=user_id,
        created_at=datetime.now(UTC),
        version=version,
        reading=inference.read(version, digit),
        latency_us=_since_us(begun_s),
    )
    return prediction, digit


def _as_compared(split: Split, drawn: Version, answer: Reading, shadow: Reading) -> Split:
    """The split, outside of all evidence where these are not the models that it compares."""
    pair = (answer, shadow) if drawn is Version.V1 else (shadow, answer)
    return split.of_models((pair[0].model.id, pair[1].model.id))


def _store_split(split: Split, prediction: Prediction, digit: Digit) -> None:
    with writing() as session:
        _add(session, [(prediction, digit)], _units(session, split, prediction))
        if split.experiment_id is not None:
            _enqueue(session, split, split.experiment_id, prediction, digit)


def _since_us(begun_s: float) -> int:
    return round((time.perf_counter() - begun_s) * 1_000_000)


def _units(session: Session, split: Split, prediction: Prediction) -> Units:
    """What an experiment assigned: the request, or the user when the stage had not met them yet."""
    if split.stage_id is None:
        return NO_UNITS
    if split.unit is Unit.REQUEST:
        return Units(1, 0)
    unit_hash = split.unit_hash(prediction.user_id)
    return experiments.expose(session, split.stage_id, unit_hash, prediction.version)


def _add(
    session: Session, made: Sequence[tuple[Prediction, Digit]], units: Units = NO_UNITS
) -> None:
    """Add predictions and count them; those of a version that was asked for assign nothing."""
    predictions.add(session, made)
    counters.count_predictions(session, [prediction for prediction, _ in made], units)


def _enqueue(
    session: Session, split: Split, experiment_id: int, prediction: Prediction, digit: Digit
) -> None:
    """Have a disagreement reviewed, or an audited agreement; the same picture only once."""
    if prediction.disagrees or split.is_audited(prediction.id):
        reviews.enqueue(
            session,
            prediction_id=prediction.id,
            experiment_id=experiment_id,
            picture_hash=picture_hash(digit.tobytes()),
            is_audit=not prediction.disagrees,
            place=split.review_place(prediction.id),
        )
