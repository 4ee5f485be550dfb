"""What became of people's pictures: what reviewers said of them."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.review_labels import NOT_A_DIGIT
from app.store.engine.db import read_transaction
from app.store.queries import reviews


@dataclass(frozen=True)
class ReviewResult:
    """A reviewer's word on somebody's picture; no digit is "not a digit"."""

    review_id: int
    user_id: int
    prediction_id: UUID
    digit: int | None


def list_recent(limit: int) -> list[ReviewResult]:
    """The last words of reviewers, the newest first; not on pictures that are erased."""
    with read_transaction() as session:
        return [
            ReviewResult(review_id, user_id, prediction_id, None if truth == NOT_A_DIGIT else truth)
            for review_id, user_id, prediction_id, truth in reviews.list_recent(session, limit)
        ]
