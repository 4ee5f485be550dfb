"""Record users' feedback on predictions."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.domain.assignment import MAX_ORDER_KEY, AssignmentUnit
from app.domain.confidence import HIGH_CONFIDENCE
from app.domain.errors import Conflict, ContradictoryFeedback, InvalidInput, NotFound
from app.domain.feedback import INCOMPLETE_MESSAGE, ResolvedFeedback, resolve
from app.domain.notifications import NotificationKind
from app.domain.predictions import image_hash
from app.services.predictions.history import NOT_FOUND
from app.store.engine.db import write_transaction
from app.store.engine.retries import retried
from app.store.queries import accounts, experiments, feedback, notifications, predictions, reviews
from app.store.queries.predictions import ServedPrediction
from app.store.tables import Experiment, Feedback

MAX_COUNTED_PER_USER = 20  # in the user feedback of an experiment
MAX_FLAGGED_PER_USER = 50  # images that wait for review at a time


@dataclass(frozen=True)
class FeedbackInput:
    """The fields of a client's feedback, before they are checked."""

    prediction: int | None = None
    correct: bool | None = None
    digit: int | None = None
    not_a_digit: bool = False
    comment: str | None = None


@retried
def record_legacy(user_id: int, given: FeedbackInput) -> None:
    """Record feedback of old clients, which names no prediction.

    Raise InvalidInput if `prediction` or `correct` is missing, ContradictoryFeedback.
    """
    if given.prediction is None or given.correct is None:
        raise InvalidInput(INCOMPLETE_MESSAGE)
    resolved = resolve(given.prediction, given.correct, given.digit, given.not_a_digit)
    with write_transaction() as session:
        accounts.lock_key_share(session, user_id)
        feedback.add(session, _row(user_id, given.prediction, resolved, given.comment))


@retried
def record_for_prediction(
    user_id: int, prediction_id: UUID, given: FeedbackInput, *, replace: bool
) -> None:
    """Record feedback on one of the user's own predictions; repeating it changes nothing.

    Raise NotFound for a prediction of another user, InvalidInput, ContradictoryFeedback if it
    contradicts itself or the prediction, Conflict for different feedback without `replace`.
    """
    with write_transaction() as session:
        accounts.lock_key_share(session, user_id)
        served = predictions.lock_for_update(session, user_id, prediction_id)
        if served is None:
            raise NotFound(NOT_FOUND)
        if given.prediction not in (None, served.digit):
            raise ContradictoryFeedback(f"The predicted digit was {served.digit}")
        resolved = resolve(served.digit, given.correct, given.digit, given.not_a_digit)
        row = _row(user_id, served.digit, resolved, given.comment)
        row.prediction_id, row.version = prediction_id, served.version
        if resolved.digit not in (None, served.digit):
            _flag(session, user_id, prediction_id, served)
        existing = feedback.get_by_prediction(session, prediction_id)
        if not resolved.correct and (existing is None or existing.correct):
            _notify_admins(session, prediction_id, served)
        if existing is not None:
            _update(session, existing, row, replace=replace)
            return
        if served.stage_id is not None:
            _attach_experiment(
                session, row, experiments.lock_by_stage(session, served.stage_id), served
            )
        feedback.add(session, row)


def _flag(session: Session, user_id: int, prediction_id: UUID, served: ServedPrediction) -> None:
    """Queue an image for review whose prediction its user corrected, up to a limit per user.

    An image that waits in the running experiment's queue stays there; one that an ended experiment
    left behind is withdrawn from that experiment.
    """
    if reviews.count_flagged_by(session, user_id) >= MAX_FLAGGED_PER_USER:
        return
    running = experiments.get_latest(session)
    reviews.withdraw_stale(session, prediction_id, None if running is None else running.id)
    reviews.enqueue(
        session,
        prediction_id=prediction_id,
        experiment_id=None,
        image_hash=image_hash(served.image),
        is_audit=False,
        order_key=secrets.randbelow(MAX_ORDER_KEY),
    )


def _notify_admins(session: Session, prediction_id: UUID, served: ServedPrediction) -> None:
    """Notify admins if a confident prediction is contradicted."""
    if served.probability >= HIGH_CONFIDENCE:
        notifications.add(
            session,
            NotificationKind.FEEDBACK,
            f"{served.version} predicted {served.digit} with {served.probability:.1%} confidence,"
            f" but the user says that it is wrong (prediction {prediction_id})",
        )


def _attach_experiment(
    session: Session, row: Feedback, experiment: Experiment, served: ServedPrediction
) -> None:
    """Set the experiment, and whether the feedback counts there: capped per user and image."""
    row.experiment_id = experiment.id
    row.image_hash = image_hash(served.image)
    limit = 1 if experiment.unit == AssignmentUnit.USER else MAX_COUNTED_PER_USER
    counted = feedback.count_eligible_by_user(session, experiment.id, row.user_id or 0)
    row.is_eligible = counted < limit and not feedback.has_eligible_for_image(
        session, experiment.id, row.image_hash
    )


def _update(session: Session, existing: Feedback, row: Feedback, *, replace: bool) -> None:
    """Replace existing feedback; the same feedback again may only change the comment."""
    existing.comment = row.comment or existing.comment
    if _content(existing) == _content(row):
        return
    if not replace:
        raise Conflict(
            "This prediction has different feedback already; send `replace` to change it"
        )
    feedback.adjust_counters(session, existing, -1)
    existing.correct, existing.digit, existing.not_a_digit = _content(row)
    existing.created_at = row.created_at
    feedback.adjust_counters(session, existing, 1)


def _content(row: Feedback) -> tuple[bool, int | None, bool]:
    return row.correct, row.digit, row.not_a_digit


def _row(user_id: int, predicted: int, resolved: ResolvedFeedback, comment: str | None) -> Feedback:
    return Feedback(
        prediction=predicted,
        correct=resolved.correct,
        digit=resolved.digit,
        not_a_digit=resolved.not_a_digit,
        is_eligible=False,
        comment=comment,
        user_id=user_id,
        created_at=datetime.now(UTC),
    )
