"""The newest labels, to show users how their images were labeled."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.review_labels import NOT_A_DIGIT
from app.store.engine.db import read_transaction
from app.store.queries import reviews


@dataclass(frozen=True)
class ReviewResult:
    """A reviewer's label of a user's image; `digit` is None for "not a digit"."""

    review_id: int
    user_id: int
    prediction_id: UUID
    digit: int | None


def list_recent(limit: int) -> list[ReviewResult]:
    """Return the last labels, the newest first, without those of erased images."""
    with read_transaction() as session:
        return [
            ReviewResult(review_id, user_id, prediction_id, None if label == NOT_A_DIGIT else label)
            for review_id, user_id, prediction_id, label in reviews.list_recent(session, limit)
        ]
