"""Queries on user feedback."""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from app.store.queries import counters
from app.store.tables import Feedback, FeedbackCount


def add(session: Session, feedback: Feedback) -> None:
    """Add feedback and count it."""
    session.add(feedback)
    adjust_counters(session, feedback, 1)


def adjust_counters(session: Session, feedback: Feedback, by: int) -> None:
    """Add feedback to the counters (1), or subtract it (-1)."""
    counters.increment(
        session,
        FeedbackCount,
        {"experiment_id": feedback.experiment_id or 0, "version": feedback.version or ""},
        total=by,
        correct=by * feedback.correct,
        eligible=by * feedback.is_eligible,
        eligible_correct=by * (feedback.is_eligible and feedback.correct),
    )


def get_by_prediction(session: Session, prediction_id: UUID) -> Feedback | None:
    """Return the feedback on a prediction."""
    return session.scalar(select(Feedback).where(Feedback.prediction_id == prediction_id))


def get_by_predictions(session: Session, prediction_ids: Iterable[UUID]) -> dict[UUID, Feedback]:
    """Return the feedback on those of these predictions that have any, by prediction id."""
    wanted = list(prediction_ids)
    found = session.scalars(select(Feedback).where(Feedback.prediction_id.in_(wanted)))
    return {each.prediction_id: each for each in found if each.prediction_id is not None}


def count_eligible_by_user(session: Session, experiment_id: int, user_id: int) -> int:
    """Return how much eligible feedback a user gave in an experiment."""
    return session.scalars(
        select(func.count()).where(
            Feedback.experiment_id == experiment_id,
            Feedback.user_id == user_id,
            Feedback.is_eligible,
        )
    ).one()


def has_eligible_for_image(session: Session, experiment_id: int, image_hash: str) -> bool:
    """Return whether an experiment has eligible feedback on the same image already."""
    found = select(Feedback.id).where(
        Feedback.experiment_id == experiment_id,
        Feedback.image_hash == image_hash,
        Feedback.is_eligible,
    )
    return session.scalar(found.limit(1)) is not None


def delete_by_predictions(session: Session, prediction_ids: Collection[UUID]) -> int:
    """Delete the feedback on these predictions; return how many rows there were."""
    return _delete(session, Feedback.prediction_id.in_(prediction_ids))


def delete_by_user(session: Session, user_id: int) -> None:
    """Delete all feedback of a user."""
    _delete(session, Feedback.user_id == user_id)


def list_unlinked_ids(session: Session, before: datetime, limit: int) -> list[int]:
    """Return ids of old feedback that names no prediction."""
    return list(session.scalars(select(Feedback.id).where(_is_unlinked(before)).limit(limit)))


def delete_unlinked(session: Session, before: datetime, ids: Collection[int]) -> int:
    """Delete those of these rows that are old and name no prediction; return how many."""
    return _delete(session, and_(Feedback.id.in_(ids), _is_unlinked(before)))


def count_unlinked(session: Session, before: datetime) -> int:
    """Return how much old feedback names no prediction."""
    return session.scalar(select(func.count()).where(_is_unlinked(before))) or 0


def _is_unlinked(before: datetime) -> ColumnElement[bool]:
    """Return the condition that feedback is old and names no prediction.

    Rows of an old database that have no time count as old.
    """
    is_old = or_(Feedback.created_at.is_(None), Feedback.created_at < before)
    return and_(Feedback.prediction_id.is_(None), is_old)


def _delete(session: Session, condition: ColumnElement[bool]) -> int:
    """Delete the feedback that meets a condition, and subtract it from the counters.

    Return how many rows there were. The rows go first, in the lock order of db.py; what is
    subtracted are those that this transaction deleted.
    """
    deleted = delete(Feedback).where(condition)
    columns = (Feedback.experiment_id, Feedback.version, Feedback.correct, Feedback.is_eligible)
    rows = session.execute(deleted.returning(*columns)).all()
    amounts: dict[tuple[int, str], Counter[str]] = {}
    for experiment_id, version, correct, is_eligible in rows:
        counted = amounts.setdefault((experiment_id or 0, version or ""), Counter())
        counted["total"] -= 1
        counted["correct"] -= correct
        counted["eligible"] -= is_eligible
        counted["eligible_correct"] -= correct and is_eligible
    for (experiment_id, version), counted in sorted(amounts.items()):
        key = {"experiment_id": experiment_id, "version": version}
        counters.increment(session, FeedbackCount, key, **counted)
    return len(rows)
