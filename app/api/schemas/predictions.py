"""Predictions as answers show them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.errors import ImageProblem
from app.api.schemas.response_fields import Digit, ModelRef, Proportion, VersionName


class ModelOutput(BaseModel):
    """What a model says of a picture."""

    prediccion: Annotated[Digit, Field(description="the digit that the model names")]
    probabilidad: Annotated[Proportion, Field(description="how sure it is of it, 0..1")]
    probabilidades: Annotated[
        list[Proportion],
        Field(min_length=10, max_length=10, description="by digit; they sum to 1"),
    ]
    model: ModelRef


class _Prediction(ModelOutput):
    version: VersionName
    prediction_id: Annotated[UUID, Field(description="names this prediction in POST /feedback")]


class PredictionV1(_Prediction):
    """An answer of v1."""

    version: Literal["v1"]


class PredictionV2(_Prediction):
    """An answer of v2."""

    version: Literal["v2"]
    mensaje: Literal["Predicción mejorada"]


class Prediction(_Prediction):
    """An answer of either version; `mensaje` comes with v2 alone."""

    mensaje: Literal["Predicción mejorada"] | SkipJsonSchema[None] = None


class ABPrediction(Prediction):
    """An answer of the version that was drawn."""

    ab_version: Annotated[VersionName, Field(description="the same as `version`")]


class BatchPrediction(BaseModel):
    """One result or one error for each file, in their order."""

    results: list[PredictionV2 | ImageProblem]


class ShadowPrediction(ModelOutput):
    """What the version that did not answer says."""

    version: VersionName


class Feedback(BaseModel):
    """What its user said of an answer."""

    correct: bool
    digit: Annotated[Digit | None, Field(description="the true digit, where it is known")]
    not_a_digit: bool
    comment: str | None


class HistoryEntry(Prediction):
    """A prediction in one's history."""

    created_at: datetime
    feedback: Feedback | None
    shadow_prediction: Annotated[
        ShadowPrediction | SkipJsonSchema[None],
        Field(description="of A/B predictions, once there is feedback"),
    ] = None


class HistoryPage(BaseModel):
    """Predictions, the newest first."""

    predictions: list[HistoryEntry]
    next_before: Annotated[
        UUID | None, Field(description="the next page's `before`, if there is one")
    ]
