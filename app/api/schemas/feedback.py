"""Request and response bodies for user feedback."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.api.http.contract import require_fields
from app.api.schemas import response_fields
from app.api.schemas.request_fields import (
    DIGIT_FIELD,
    FLAG_FIELD,
    Digit,
    Flag,
    LegacyDigit,
    LegacyFlag,
    Text,
)


class FeedbackRequest(BaseModel):
    """Whether a prediction is correct, or which digit the image shows."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                require_fields(prediction={}, correct={}),
                require_fields(prediction_id={}),
            ],
        }
    )

    prediction: Annotated[LegacyDigit | None, DIGIT_FIELD] = None
    correct: Annotated[LegacyFlag | None, FLAG_FIELD] = None
    digit: Annotated[Digit | None, DIGIT_FIELD] = None
    not_a_digit: Annotated[Flag, FLAG_FIELD] = False
    comment: Annotated[
        Text | None, Field(max_length=1000, description="text of at most 1000 characters")
    ] = None
    prediction_id: Annotated[
        UUID | None, Field(description="the prediction_id of a prediction")
    ] = None
    replace: Annotated[Flag, FLAG_FIELD] = False


class Feedback(BaseModel):
    """A user's feedback on their prediction."""

    correct: bool
    digit: Annotated[
        response_fields.Digit | None, Field(description="the true digit, if it is known")
    ]
    not_a_digit: bool
    comment: str | None
