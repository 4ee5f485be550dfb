"""People's words on answers, over HTTP."""

from typing import Annotated
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from app.api.http.authentication import ALL_ROLES, current_user, require_roles
from app.api.http.contract import error_responses, request_body, require_fields, responds
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.errors import Message
from app.api.schemas.request_fields import (
    DIGIT_FIELD,
    FLAG_FIELD,
    Digit,
    Flag,
    LegacyDigit,
    LegacyFlag,
    Text,
)
from app.domain.errors import Conflict, ContradictoryFeedback, NotFound
from app.services import feedback

blueprint = Blueprint("feedback", __name__)


class FeedbackRequest(BaseModel):
    """What may be said of an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [require_fields(prediction={}, correct={}), require_fields(prediction_id={})],
        }
    )

    prediction: Annotated[LegacyDigit | None, DIGIT_FIELD] = None
    correct: Annotated[LegacyFlag | None, FLAG_FIELD] = None
    digit: Annotated[Digit | None, DIGIT_FIELD] = None
    not_a_digit: Annotated[Flag, FLAG_FIELD] = False
    comment: Annotated[
        Text | None, Field(max_length=1000, description="text of at most 1000 characters")
    ] = None
    prediction_id: Annotated[UUID | None, Field(description="the prediction_id of an answer")] = (
        None
    )
    replace: Annotated[Flag, FLAG_FIELD] = False


@blueprint.post("/feedback")
@require_roles(*ALL_ROLES)
@request_body(FeedbackRequest)
@responds(Message, status=201)
@error_responses(NotFound, Conflict, ContradictoryFeedback)
def submit_feedback() -> tuple[serializers.Json, int]:
    """Take a word on an answer in."""
    words = json_body(FeedbackRequest)
    said = feedback.FeedbackInput(
        words.prediction, words.correct, words.digit, words.not_a_digit, words.comment
    )
    if words.prediction_id is None:
        feedback.record_legacy(current_user().user_id, said)
    else:
        feedback.record_for_prediction(
            current_user().user_id, words.prediction_id, said, replace=words.replace
        )
    return {"msg": "Feedback submitted successfully"}, 201
