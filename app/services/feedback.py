"""Feedback: taking people's words on answers in."""

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
from app.store.queries import accounts, experiments, feedback, notifications, predictions, reviews
from app.store.queries.predictions import ServedPrediction
from app.store.tables import Experiment, Feedback

MAX_COUNTED_PER_USER = 20  # that the users' view of one experiment counts
MAX_FLAGGED_PER_USER = 50  # that wait at a time


@dataclass(frozen=True)
class FeedbackInput:
    """What a client said, part by part, before it is held against anything."""

    prediction: int | None = None
    correct: bool | None = None
    digit: int | None = None
    not_a_digit: bool = False
    comment: str | None = None


def record_legacy(user_id: int, said: FeedbackInput) -> None:
    """Record a word that names no prediction, as old clients give it.

    Raises InvalidInput where the answer or whether it was correct is missing, Contradiction.
    """
    if said.prediction is None or said.correct is None:
        raise InvalidInput(INCOMPLETE_MESSAGE)
    word = resolve(said.prediction, said.correct, said.digit, said.not_a_digit)
    with write_transaction() as session:
        feedback.add(session, _row(user_id, said.prediction, word, said.comment))


def record_for_prediction(
    user_id: int, prediction_id: UUID, said: FeedbackInput, *, replace: bool
) -> None:
    """Record a word on one of the user's own predictions; the same word again changes nothing.

    Raises NotFound for a prediction that is not theirs, InvalidInput, Contradiction for words
    that exclude each other or the stored answer, Conflict for another word without `replace`.
    """
    with write_transaction() as session:
        accounts.lock_key_share(session, user_id)
        answered = predictions.lock_for_update(session, user_id, prediction_id)
        if answered is None:
            raise NotFound(NOT_FOUND)
        if said.prediction not in (None, answered.digit):
            raise ContradictoryFeedback(f"The answer to this prediction was {answered.digit}")
        word = resolve(answered.digit, said.correct, said.digit, said.not_a_digit)
        row = _row(user_id, answered.digit, word, said.comment)
        row.prediction_id, row.version = prediction_id, answered.version
        if word.digit not in (None, answered.digit):
            _flag(session, user_id, prediction_id, answered)
        before = feedback.get_by_prediction(session, prediction_id)
        if not word.correct and (before is None or before.correct):
            _notify_admins(session, prediction_id, answered)
        if before is not None:
            _update(session, before, row, replace=replace)
            return
        if answered.stage_id is not None:
            _attach_experiment(
                session, row, experiments.lock_by_stage(session, answered.stage_id), answered
            )
        feedback.add(session, row)


def _flag(session: Session, user_id: int, prediction_id: UUID, answered: ServedPrediction) -> None:
    """Have a reviewer look at an answer that its user corrected; a few of each user at a time.

    A picture that waits in the running experiment's queue stays there; one that an ended experiment
    left behind is taken out of it.
    """
    if reviews.count_flagged_by(session, user_id) >= MAX_FLAGGED_PER_USER:
        return
    running = experiments.get_latest(session)
    reviews.withdraw_stale(session, prediction_id, None if running is None else running.id)
    reviews.enqueue(
        session,
        prediction_id=prediction_id,
        experiment_id=None,
        image_hash=image_hash(answered.image),
        is_audit=False,
        order_key=secrets.randbelow(MAX_ORDER_KEY),
    )


def _notify_admins(session: Session, prediction_id: UUID, answered: ServedPrediction) -> None:
    """Have admins mailed when an answer that was sure is contradicted."""
    if answered.probability >= HIGH_CONFIDENCE:
        notifications.add(
            session,
            NotificationKind.FEEDBACK,
            f"{answered.version} answered {answered.digit}, {answered.probability:.1%} sure, and"
            f" was told that it is wrong (prediction {prediction_id})",
        )


def _attach_experiment(
    session: Session, row: Feedback, experiment: Experiment, answered: ServedPrediction
) -> None:
    """Name a word's experiment, and whether the users' view there counts it: few of one user."""
    row.experiment_id = experiment.id
    row.image_hash = image_hash(answered.image)
    most = 1 if experiment.unit == AssignmentUnit.USER else MAX_COUNTED_PER_USER
    given = feedback.count_eligible_by_user(session, experiment.id, row.user_id or 0)
    row.is_eligible = given < most and not feedback.has_eligible_for_image(
        session, experiment.id, row.image_hash
    )


def _update(session: Session, before: Feedback, row: Feedback, *, replace: bool) -> None:
    """Put a word in the place of the one before; the same word again may only add a comment."""
    before.comment = row.comment or before.comment
    if _content(before) == _content(row):
        return
    if not replace:
        raise Conflict("There is another word on this prediction; send `replace` to change it")
    feedback.adjust_counters(session, before, -1)
    before.correct, before.digit, before.not_a_digit = _content(row)
    before.created_at = row.created_at
    feedback.adjust_counters(session, before, 1)


def _content(row: Feedback) -> tuple[bool, int | None, bool]:
    return row.correct, row.digit, row.not_a_digit


def _row(user_id: int, answered: int, word: ResolvedFeedback, comment: str | None) -> Feedback:
    return Feedback(
        prediction=answered,
        correct=word.correct,
        digit=word.digit,
        not_a_digit=word.not_a_digit,
        is_eligible=False,
        comment=comment,
        user_id=user_id,
        created_at=datetime.now(UTC),
    )
