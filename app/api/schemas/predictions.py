"""Query and response bodies for predictions."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.errors import ImageProblem
from app.api.schemas.feedback import Feedback
from app.api.schemas.response_fields import Digit, ModelRef, Proportion, VersionName


class HistoryQuery(BaseModel):
    """Which page of predictions to return."""

    limit: Annotated[int, Field(ge=1, le=100, description="a whole number from 1 to 100")] = 20
    before: Annotated[UUID | None, Field(description="a prediction_id")] = None


class ModelOutput(BaseModel):
    """The output of a model for one image."""

    prediccion: Annotated[Digit, Field(description="predicted digit")]
    probabilidad: Annotated[Proportion, Field(description="confidence, 0..1")]
    probabilidades: Annotated[
        list[Proportion],
        Field(min_length=10, max_length=10, description="probability of each digit; sums to 1"),
    ]
    model: ModelRef


class _Prediction(ModelOutput):
    version: VersionName
    prediction_id: Annotated[UUID, Field(description="id to send with POST /feedback")]
    warning: Annotated[
        str | SkipJsonSchema[None],
        Field(description="in the answer to a doubtful image only: why it may be wrong"),
    ] = None


class PredictionV1(_Prediction):
    """A prediction of v1."""

    version: Literal["v1"]


class PredictionV2(_Prediction):
    """A prediction of v2."""

    version: Literal["v2"]
    mensaje: Literal["Predicción mejorada"]


class Prediction(_Prediction):
    """A prediction of either version; `mensaje` is only present for v2."""

    mensaje: Literal["Predicción mejorada"] | SkipJsonSchema[None] = None


class ABPrediction(Prediction):
    """A prediction of the version that the A/B test assigned."""

    ab_version: Annotated[VersionName, Field(description="same as `version`")]


class BatchPrediction(BaseModel):
    """One prediction or one error for each file, in the order of the files."""

    results: list[PredictionV2 | ImageProblem]


class ShadowPrediction(ModelOutput):
    """The output of the version that did not answer."""

    version: VersionName


class HistoryEntry(Prediction):
    """A stored prediction with the user's feedback."""

    created_at: datetime
    feedback: Feedback | None
    shadow_prediction: Annotated[
        ShadowPrediction | SkipJsonSchema[None],
        Field(description="only for A/B predictions that have feedback"),
    ] = None


class HistoryPage(BaseModel):
    """A page of predictions, newest first."""

    predictions: list[HistoryEntry]
    next_before: Annotated[
        UUID | None, Field(description="`before` of the next page; null on the last page")
    ]
