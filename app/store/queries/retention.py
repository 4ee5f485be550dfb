"""Queries on images that have passed their retention period."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.store.queries.predictions import min_id
from app.store.tables import Feedback, Prediction, User


@dataclass(frozen=True)
class ImageCount:
    """How many images there are, of how many owners, and when the oldest and newest were stored."""

    images: int
    owners: int
    oldest_at: datetime | None
    newest_at: datetime | None


def count_images(session: Session, before: datetime | None = None) -> ImageCount:
    """Count the images that are not erased: all, or those from before a moment."""
    row = Prediction
    query = select(
        func.count(),
        func.count(row.user_id.distinct()),
        func.min(row.created_at),
        func.max(row.created_at),
    ).where(row.user_id.is_not(None))
    if before is not None:
        query = query.where(row.id < min_id(before))
    return ImageCount(*session.execute(query).one())


def count_feedback(session: Session, before: datetime) -> int:
    """Return how much feedback there is on images from before a moment."""
    query = select(func.count(Feedback.id)).join(Prediction)
    old = query.where(Prediction.user_id.is_not(None), Prediction.id < min_id(before))
    return session.scalar(old) or 0


def find_owner(session: Session, before: datetime, first_id: int) -> int | None:
    """Return the next user, by id, who has images from before a moment."""
    is_old = Prediction.id < min_id(before)
    has_old = select(Prediction.id).where(Prediction.user_id == User.id, is_old).exists()
    owners = select(User.id).where(User.id >= first_id, has_old)
    return session.scalar(owners.order_by(User.id).limit(1))
