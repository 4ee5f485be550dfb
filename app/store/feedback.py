"""Queries on people's words."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.store.tables import Feedback


@dataclass(frozen=True)
class WordCounts:
    """How many words there are, and how many of them call the answer right."""

    total: int
    correct: int


def add(session: Session, feedback: Feedback) -> None:
    """Add a word."""
    session.add(feedback)


def find_on(session: Session, prediction_id: UUID) -> Feedback | None:
    """The word on a prediction."""
    return session.scalar(select(Feedback).where(Feedback.prediction_id == prediction_id))


def spoken_on(session: Session, prediction_ids: Iterable[UUID]) -> dict[UUID, Feedback]:
    """The words on these predictions, by prediction; those without one are left out."""
    wanted = list(prediction_ids)
    found = session.scalars(select(Feedback).where(Feedback.prediction_id.in_(wanted)))
    return {word.prediction_id: word for word in found if word.prediction_id is not None}


def count(session: Session) -> WordCounts:
    """Count all words, the old program's among them."""
    correct = func.count(case((Feedback.correct.is_(True), 1)))
    total, right = session.execute(select(func.count(), correct).select_from(Feedback)).one()
    return WordCounts(total=total, correct=right)
