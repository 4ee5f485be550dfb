"""People's words on answers, over HTTP."""

from typing import Annotated
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel, Field

from app.api import shown
from app.api.bodies import DIGIT, FLAG, WholeNumber, json_body
from app.api.identity import EVERYBODY, caller, requires
from app.services import feedback

blueprint = Blueprint("feedback", __name__)


class Words(BaseModel):
    """What may be said of an answer."""

    prediction: Annotated[WholeNumber | None, DIGIT] = None
    correct: Annotated[bool | None, FLAG] = None
    digit: Annotated[WholeNumber | None, DIGIT] = None
    not_a_digit: Annotated[bool, FLAG] = False
    comment: Annotated[
        str | None, Field(max_length=1000, description="text of at most 1000 characters")
    ] = None
    prediction_id: Annotated[UUID | None, Field(description="the prediction_id of an answer")] = (
        None
    )
    replace: Annotated[bool, FLAG] = False


@blueprint.post("/feedback")
@requires(*EVERYBODY)
def submit() -> tuple[shown.Json, int]:
    """Take a word on an answer in."""
    words = json_body(Words)
    said = feedback.Statement(
        words.prediction, words.correct, words.digit, words.not_a_digit, words.comment
    )
    if words.prediction_id is None:
        feedback.record(caller().user_id, said)
    else:
        feedback.record_on(caller().user_id, words.prediction_id, said, replace=words.replace)
    return {"msg": "Feedback submitted successfully"}, 201
