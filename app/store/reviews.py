"""Queries on the review queue and on what reviewers said."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, case, delete, func, or_, select
from sqlalchemy.orm import Session

from app.store.tables import Prediction, Review, ReviewItem

SKIPPED, NOT_A_DIGIT = 11, 10  # truths beside the ten digits


@dataclass(frozen=True)
class Waiting:
    """How many pictures of each part of the queue wait for a label."""

    disagreements: int
    audits: int


def enqueue(session: Session, item: ReviewItem) -> None:
    """Put a picture into the queue."""
    session.add(item)


def next_item(
    session: Session, experiment_id: int, reviewer_id: int, now: datetime
) -> ReviewItem | None:
    """The picture that this reviewer is to see next: disagreements first, each part by place.

    One that they hold already comes first; none that they skipped, or that another one holds.
    """
    query = (
        select(ReviewItem)
        .where(
            ReviewItem.experiment_id == experiment_id,
            ReviewItem.is_open,
            _is_free(reviewer_id, now),
            ReviewItem.prediction_id.not_in(
                select(Review.prediction_id).where(
                    Review.reviewer_id == reviewer_id, Review.experiment_id == experiment_id
                )
            ),
        )
        .order_by(ReviewItem.is_audit, ReviewItem.place)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return session.scalar(query.where(ReviewItem.leased_by == reviewer_id)) or session.scalar(query)


def find_item(session: Session, prediction_id: UUID) -> ReviewItem | None:
    """A picture that waits; nobody else changes it before this unit ends."""
    return session.get(ReviewItem, prediction_id, with_for_update=True)


def forget(session: Session, predictions: ColumnElement[bool]) -> None:
    """Take the pictures of some predictions, those that a condition holds for, out of the queue."""
    erased = select(Prediction.id).where(predictions)
    session.execute(delete(ReviewItem).where(ReviewItem.prediction_id.in_(erased)))


def waiting(session: Session, experiment_id: int) -> Waiting:
    """How long the queue is."""
    is_waiting = (ReviewItem.experiment_id == experiment_id, ReviewItem.is_open)
    counts = select(func.count(), func.count(case((ReviewItem.is_audit, 1))))
    total, audits = session.execute(counts.where(*is_waiting)).one()
    return Waiting(total - audits, audits)


def add(session: Session, review: Review) -> None:
    """Add what a reviewer said."""
    session.add(review)


def last_of(session: Session, reviewer_id: int) -> Review | None:
    """What a reviewer said last."""
    query = select(Review).where(Review.reviewer_id == reviewer_id)
    return session.scalar(query.order_by(Review.id.desc()).limit(1).with_for_update())


def remove(session: Session, review: Review) -> None:
    """Take back what a reviewer said."""
    session.delete(review)


def _is_free(reviewer_id: int, now: datetime) -> ColumnElement[bool]:
    return or_(
        ReviewItem.leased_until.is_(None),
        ReviewItem.leased_until < now,
        ReviewItem.leased_by == reviewer_id,
    )
