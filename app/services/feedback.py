"""Feedback: taking people's words on answers in."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.domain.errors import Conflict, Contradiction, InvalidInput, NotFound
from app.domain.words import INCOMPLETE, Word, settle
from app.services.history import UNKNOWN
from app.store import feedback, predictions
from app.store.db import writing
from app.store.tables import Feedback


@dataclass(frozen=True)
class Statement:
    """What a client said, part by part, before it is held against anything."""

    prediction: int | None = None
    correct: bool | None = None
    digit: int | None = None
    not_a_digit: bool = False
    comment: str | None = None


def record(user_id: int, said: Statement) -> None:
    """Record a word that names no prediction, as old clients give it.

    Raises InvalidInput where the answer or whether it was correct is missing, Contradiction.
    """
    if said.prediction is None or said.correct is None:
        raise InvalidInput(INCOMPLETE)
    word = settle(said.prediction, said.correct, said.digit, said.not_a_digit)
    with writing() as session:
        feedback.add(session, _row(user_id, said.prediction, word, said.comment))


def record_on(user_id: int, prediction_id: UUID, said: Statement, *, replace: bool) -> None:
    """Record a word on one of the user's own predictions; the same word again changes nothing.

    Raises NotFound for a prediction that is not theirs, InvalidInput, Contradiction for words
    that exclude each other or the stored answer, Conflict for another word without `replace`.
    """
    with writing() as session:
        prediction = predictions.find(session, user_id, prediction_id)
        if prediction is None:
            raise NotFound(UNKNOWN)
        answered = prediction.reading.digit
        if said.prediction not in (None, answered):
            raise Contradiction(f"The answer to this prediction was {answered}")
        word = settle(answered, said.correct, said.digit, said.not_a_digit)
        row = _row(user_id, answered, word, said.comment)
        row.prediction_id = prediction_id
        _put(session, row, replace=replace)


def _put(session: Session, row: Feedback, *, replace: bool) -> None:
    """Add a word, or put it in the place of the one before."""
    if row.prediction_id is None:
        raise ValueError("a word that replaces names its prediction")
    before = feedback.find_on(session, row.prediction_id)
    if before is None:
        feedback.add(session, row)
        return
    is_same = _meaning(before) == _meaning(row)
    if not is_same and not replace:
        raise Conflict("There is another word on this prediction; send `replace` to change it")
    before.correct, before.digit, before.not_a_digit = _meaning(row)
    before.comment = row.comment if row.comment is not None else before.comment
    before.created_at = before.created_at if is_same else row.created_at


def _meaning(row: Feedback) -> tuple[bool, int | None, bool]:
    return row.correct, row.digit, row.not_a_digit


def _row(user_id: int, answered: int, word: Word, comment: str | None) -> Feedback:
    return Feedback(
        prediction=answered,
        correct=word.correct,
        digit=word.digit,
        not_a_digit=word.not_a_digit,
        comment=comment,
        user_id=user_id,
        created_at=datetime.now(UTC),
    )
