"""A user's own predictions: list, get and delete them."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.errors import NotFound
from app.domain.feedback import ResolvedFeedback
from app.domain.predictions import DigitImage, Prediction
from app.store.engine import wal_cleanup
from app.store.engine.db import read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import accounts, feedback, predictions, reviews
from app.store.tables import Feedback

NOT_FOUND = "You have no such prediction"


@dataclass(frozen=True)
class HistoryEntry:
    """A prediction with the user's feedback on it, if any."""

    prediction: Prediction
    feedback: ResolvedFeedback | None
    comment: str | None = None


def list_page(user_id: int, limit: int, before: UUID | None) -> list[HistoryEntry]:
    """Return up to `limit` of a user's predictions, newest first, starting after `before`."""
    with read_transaction() as session:
        page = predictions.list_page(session, user_id, limit, before)
        rows = feedback.get_by_predictions(session, [prediction.id for prediction in page])
        return [_entry(prediction, rows.get(prediction.id)) for prediction in page]


def get(user_id: int, prediction_id: UUID) -> HistoryEntry:
    """Return one of a user's predictions. Raises NotFound."""
    with read_transaction() as session:
        prediction = predictions.get(session, user_id, prediction_id)
        if prediction is None:
            raise NotFound(NOT_FOUND)
        return _entry(prediction, feedback.get_by_prediction(session, prediction_id))


def get_image(user_id: int, prediction_id: UUID) -> DigitImage:
    """Return the digit image of one of a user's predictions. Raises NotFound."""
    with read_transaction() as session:
        digit = predictions.get_image(session, user_id, prediction_id)
    if digit is None:
        raise NotFound(NOT_FOUND)
    return digit


@retried
def delete(user_id: int, prediction_id: UUID) -> None:
    """Delete one of a user's predictions with its image and feedback. Raises NotFound."""
    with write_transaction() as session:
        accounts.lock_key_share(session, user_id)
        if predictions.lock_for_update(session, user_id, prediction_id) is None:
            raise NotFound(NOT_FOUND)
        reviews.withdraw_erased(session, user_id, [prediction_id])
        feedback.delete_by_predictions(session, [prediction_id])
        predictions.erase(session, user_id, [prediction_id])
    wal_cleanup.mark_dirty()


def _entry(prediction: Prediction, row: Feedback | None) -> HistoryEntry:
    if row is None:
        return HistoryEntry(prediction, None)
    return HistoryEntry(
        prediction, ResolvedFeedback(row.correct, row.digit, row.not_a_digit), row.comment
    )
