"""People's words on answers, over HTTP."""

from typing import Annotated
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel, BeforeValidator, Field

from app.api import shown
from app.api.bodies import json_body
from app.api.identity import EVERYBODY, caller, requires
from app.services import feedback

blueprint = Blueprint("feedback", __name__)


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no digits")  # noqa: TRY004  pydantic takes it so
    return value


_Digit = Annotated[int, BeforeValidator(_no_flag)]
_DIGIT = Field(ge=0, le=9, description="a whole number from 0 to 9")
_FLAG = Field(description="true or false")


class Words(BaseModel):
    """What may be said of an answer."""

    prediction: Annotated[_Digit | None, _DIGIT] = None
    correct: Annotated[bool | None, _FLAG] = None
    digit: Annotated[_Digit | None, _DIGIT] = None
    not_a_digit: Annotated[bool, _FLAG] = False
    comment: Annotated[
        str | None, Field(max_length=1000, description="text of at most 1000 characters")
    ] = None
    prediction_id: Annotated[UUID | None, Field(description="the prediction_id of an answer")] = (
        None
    )
    replace: Annotated[bool, _FLAG] = False


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
