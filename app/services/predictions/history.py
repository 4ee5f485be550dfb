"""One's own predictions: looking back at them, and erasing them."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.errors import NotFound
from app.domain.feedback import ResolvedFeedback
from app.domain.predictions import DigitImage, Prediction
from app.store.engine import wal_cleanup
from app.store.engine.db import read_transaction, write_transaction
from app.store.queries import accounts, feedback, predictions, reviews
from app.store.tables import Feedback

NOT_FOUND = "There is no such prediction of yours"


@dataclass(frozen=True)
class HistoryEntry:
    """A prediction with the word that was given on it, if any."""

    prediction: Prediction
    feedback: ResolvedFeedback | None
    comment: str | None = None


def list_page(user_id: int, limit: int, before: UUID | None) -> list[HistoryEntry]:
    """A user's predictions, the newest first, from before an id."""
    with read_transaction() as session:
        found = predictions.list_page(session, user_id, limit, before)
        words = feedback.get_by_predictions(session, [prediction.id for prediction in found])
        return [_entry(prediction, words.get(prediction.id)) for prediction in found]


def get(user_id: int, prediction_id: UUID) -> HistoryEntry:
    """One of a user's predictions. Raises NotFound."""
    with read_transaction() as session:
        prediction = predictions.get(session, user_id, prediction_id)
        if prediction is None:
            raise NotFound(NOT_FOUND)
        return _entry(prediction, feedback.get_by_prediction(session, prediction_id))


def get_image(user_id: int, prediction_id: UUID) -> DigitImage:
    """The digit that one of a user's predictions was made on. Raises NotFound."""
    with read_transaction() as session:
        digit = predictions.get_image(session, user_id, prediction_id)
    if digit is None:
        raise NotFound(NOT_FOUND)
    return digit


def delete(user_id: int, prediction_id: UUID) -> None:
    """Erase one of a user's predictions, its image and the words on it. Raises NotFound."""
    with write_transaction() as session:
        accounts.lock_key_share(session, user_id)
        if predictions.lock_for_update(session, user_id, prediction_id) is None:
            raise NotFound(NOT_FOUND)
        feedback.delete_by_prediction(session, prediction_id)
        reviews.withdraw_erased(session, user_id, prediction_id)
        predictions.erase(session, user_id, prediction_id)
    wal_cleanup.mark_dirty()


def _entry(prediction: Prediction, spoken: Feedback | None) -> HistoryEntry:
    if spoken is None:
        return HistoryEntry(prediction, None)
    word = ResolvedFeedback(spoken.correct, spoken.digit, spoken.not_a_digit)
    return HistoryEntry(prediction, word, spoken.comment)
