"""Predicting: a picture in, a stored prediction out; the row is there before the answer leaves."""

from collections.abc import Sequence
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from app.domain.assignment import Split, Version
from app.domain.errors import PictureError
from app.domain.readings import Digit, Prediction
from app.imaging import digits
from app.services.inference import InferenceService
from app.store import predictions
from app.store.db import writing


def predict(
    inference: InferenceService, version: Version, user_id: int, image_bytes: bytes
) -> Prediction:
    """Let one version read a picture. Raises PictureError."""
    digit = digits.read(image_bytes)
    return _store([_read(inference, version, user_id, digit)])[0]


def predict_split(
    inference: InferenceService, split: Split, user_id: int, image_bytes: bytes
) -> Prediction:
    """Let both versions read a picture; the one that is drawn answers. Raises PictureError."""
    digit = digits.read(image_bytes)
    prediction_id = uuid7()
    drawn = split.draw(user_id, prediction_id)
    prediction = Prediction(
        id=prediction_id,
        user_id=user_id,
        created_at=datetime.now(UTC),
        version=drawn.version,
        reading=inference.read(drawn.version, digit),
        assignment_probability=drawn.probability,
        shadow=inference.read(drawn.version.other, digit),
    )
    return _store([(prediction, digit)])[0]


def predict_batch(
    inference: InferenceService, version: Version, user_id: int, pictures: Sequence[bytes]
) -> list[Prediction | PictureError]:
    """Let one version read many pictures; in their order, each a prediction or its own error."""
    read: list[tuple[Prediction, Digit] | PictureError] = []
    for image_bytes in pictures:
        try:
            read.append(_read(inference, version, user_id, digits.read(image_bytes)))
        except PictureError as error:
            read.append(error)
    _store([one for one in read if not isinstance(one, PictureError)])
    return [one if isinstance(one, PictureError) else one[0] for one in read]


def _read(
    inference: InferenceService, version: Version, user_id: int, digit: Digit
) -> tuple[Prediction, Digit]:
    prediction = Prediction(
        id=uuid7(),
        user_id=user_id,
        created_at=datetime.now(UTC),
        version=version,
        reading=inference.read(version, digit),
    )
    return prediction, digit


def _store(made: Sequence[tuple[Prediction, Digit]]) -> list[Prediction]:
    with writing() as session:
        predictions.add(session, made)
    return [prediction for prediction, _ in made]
