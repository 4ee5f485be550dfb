"""Queries on people's words."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select
from sqlalchemy.orm import Session

from app.store.queries import counters
from app.store.queries.counters import FeedbackCount
from app.store.tables import Feedback


def add(session: Session, feedback: Feedback) -> None:
    """Add a word and count it."""
    session.add(feedback)
    count(session, feedback, 1)


def count(session: Session, word: Feedback, by: int) -> None:
    """Add a word to the counters, or take it out again."""
    counters.add(
        session,
        FeedbackCount,
        {"experiment_id": word.experiment_id or 0, "version": word.version or ""},
        total=by,
        correct=by * word.correct,
        eligible=by * word.is_eligible,
        eligible_correct=by * (word.is_eligible and word.correct),
    )


def find_on(session: Session, prediction_id: UUID) -> Feedback | None:
    """The word on a prediction."""
    return session.scalar(select(Feedback).where(Feedback.prediction_id == prediction_id))


def spoken_on(session: Session, prediction_ids: Iterable[UUID]) -> dict[UUID, Feedback]:
    """The words on these predictions, by prediction; those without one are left out."""
    wanted = list(prediction_ids)
    found = session.scalars(select(Feedback).where(Feedback.prediction_id.in_(wanted)))
    return {word.prediction_id: word for word in found if word.prediction_id is not None}


def count_of_user(session: Session, experiment_id: int, user_id: int) -> int:
    """How many words of a user count in an experiment."""
    return session.scalars(
        select(func.count()).where(
            Feedback.experiment_id == experiment_id,
            Feedback.user_id == user_id,
            Feedback.is_eligible,
        )
    ).one()


def is_image_counted(session: Session, experiment_id: int, image_hash: str) -> bool:
    """Whether a word on the same picture counts in an experiment already."""
    found = select(Feedback.id).where(
        Feedback.experiment_id == experiment_id,
        Feedback.image_hash == image_hash,
        Feedback.is_eligible,
    )
    return session.scalar(found.limit(1)) is not None


def erase_on(session: Session, prediction_id: UUID) -> None:
    """Remove the word on a prediction."""
    _erase(session, Feedback.prediction_id == prediction_id)


def erase_of(session: Session, user_id: int) -> None:
    """Remove all words of a user."""
    _erase(session, Feedback.user_id == user_id)


def erase_loose(session: Session, before: datetime) -> int:
    """Remove the words from before a moment that name no prediction; returns how many there were.

    Rows of an old database that have no time are older than any.
    """
    is_old = or_(Feedback.created_at.is_(None), Feedback.created_at < before)
    return _erase(session, and_(Feedback.prediction_id.is_(None), is_old))


def _erase(session: Session, words: ColumnElement[bool]) -> int:
    """Remove the words that a condition holds for, and take them out of the counters."""
    correct, counted = (
        case((each, 1), else_=0) for each in (Feedback.correct, Feedback.is_eligible)
    )
    key = (func.coalesce(Feedback.experiment_id, 0), func.coalesce(Feedback.version, ""))
    sums = [func.sum(each) for each in (correct, counted, correct * counted)]
    query = select(*key, func.count(), *sums).where(words).group_by(*key)
    found = session.execute(query).all()
    for experiment_id, version, total, right, used, used_right in found:
        counters.add(
            session,
            FeedbackCount,
            {"experiment_id": experiment_id, "version": version},
            total=-total,
            correct=-right,
            eligible=-used,
            eligible_correct=-used_right,
        )
    session.execute(delete(Feedback).where(words))
    return sum(row[2] for row in found)
