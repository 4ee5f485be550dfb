"""People's words on answers, over HTTP."""

from typing import Annotated
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from app.api.http.authentication import EVERYBODY, caller, requires
from app.api.http.contract import answers, given, raises, takes
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.errors import Message
from app.api.schemas.request_fields import DIGIT, FLAG, Digit, Flag, OldDigit, OldFlag, Text
from app.domain.errors import Conflict, Contradiction, NotFound
from app.services import feedback

blueprint = Blueprint("feedback", __name__)


class Words(BaseModel):
    """What may be said of an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [given(prediction={}, correct={}), given(prediction_id={})],
        }
    )

    prediction: Annotated[OldDigit | None, DIGIT] = None
    correct: Annotated[OldFlag | None, FLAG] = None
    digit: Annotated[Digit | None, DIGIT] = None
    not_a_digit: Annotated[Flag, FLAG] = False
    comment: Annotated[
        Text | None, Field(max_length=1000, description="text of at most 1000 characters")
    ] = None
    prediction_id: Annotated[UUID | None, Field(description="the prediction_id of an answer")] = (
        None
    )
    replace: Annotated[Flag, FLAG] = False


@blueprint.post("/feedback")
@requires(*EVERYBODY)
@takes(Words)
@answers(Message, status=201)
@raises(NotFound, Conflict, Contradiction)
def submit() -> tuple[serializers.Json, int]:
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
