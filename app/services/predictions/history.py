"""One's own predictions: looking back at them, and erasing them."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.errors import NotFound
from app.domain.feedback import Word
from app.domain.predictions import Digit, Prediction
from app.store.engine import wal_cleanup
from app.store.engine.db import reading, writing
from app.store.queries import accounts, feedback, predictions, reviews
from app.store.tables import Feedback

UNKNOWN = "There is no such prediction of yours"


@dataclass(frozen=True)
class Entry:
    """A prediction with the word that was given on it, if any."""

    prediction: Prediction
    word: Word | None
    comment: str | None = None


def page(user_id: int, limit: int, before: UUID | None) -> list[Entry]:
    """A user's predictions, the newest first, from before an id."""
    with reading() as session:
        found = predictions.page(session, user_id, limit, before)
        words = feedback.spoken_on(session, [prediction.id for prediction in found])
        return [_entry(prediction, words.get(prediction.id)) for prediction in found]


def find(user_id: int, prediction_id: UUID) -> Entry:
    """One of a user's predictions. Raises NotFound."""
    with reading() as session:
        prediction = predictions.find(session, user_id, prediction_id)
        if prediction is None:
            raise NotFound(UNKNOWN)
        return _entry(prediction, feedback.find_on(session, prediction_id))


def image(user_id: int, prediction_id: UUID) -> Digit:
    """The digit that one of a user's predictions was made on. Raises NotFound."""
    with reading() as session:
        digit = predictions.image(session, user_id, prediction_id)
    if digit is None:
        raise NotFound(UNKNOWN)
    return digit


def erase(user_id: int, prediction_id: UUID) -> None:
    """Erase one of a user's predictions, its image and the words on it. Raises NotFound."""
    with writing() as session:
        accounts.hold(session, user_id)
        if predictions.lock(session, user_id, prediction_id) is None:
            raise NotFound(UNKNOWN)
        feedback.erase_on(session, prediction_id)
        reviews.forget(session, user_id, prediction_id)
        predictions.erase(session, user_id, prediction_id)
    wal_cleanup.note()


def _entry(prediction: Prediction, spoken: Feedback | None) -> Entry:
    if spoken is None:
        return Entry(prediction, None)
    word = Word(spoken.correct, spoken.digit, spoken.not_a_digit)
    return Entry(prediction, word, spoken.comment)
