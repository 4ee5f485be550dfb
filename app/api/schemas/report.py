"""Query and response body of the report."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.experiments import Experiment
from app.api.schemas.response_fields import (
    Count,
    DifferenceInterval,
    Proportion,
    ProportionInterval,
)

_ConfusionMatrixRow = Annotated[
    list[Annotated[float, Field(ge=0)]], Field(min_length=10, max_length=10)
]


class ReportQuery(BaseModel):
    """The format of the report."""

    format: Annotated[Literal["json", "csv"], Field(description="json or csv")] = "json"


class Latency(BaseModel):
    """Milliseconds from the image to the prediction; null if there are no predictions."""

    p50: Annotated[float | None, Field(ge=0)]
    p99: Annotated[float | None, Field(ge=0)]


class Accuracy(ProportionInterval):
    """Estimated accuracy on all A/B requests with its 95 % interval; null without enough labels."""

    value: Proportion | None


class CalibrationBin(BaseModel):
    """Predictions whose confidence lies in a range: mean confidence and accuracy."""

    low: Proportion
    high: Proportion
    labels: Annotated[Count, Field(description="number of labels in this bin")]
    confidence: Proportion
    accuracy: Proportion


class VersionReport(BaseModel):
    """Metrics of one version; labels are those of the current experiment."""

    served: Annotated[Count, Field(description="requests that the version answered")]
    feedback_count: Annotated[Count, Field(description="user feedback on its predictions")]
    correct: Annotated[Count, Field(description="feedback that calls the prediction correct")]
    response_rate: Annotated[float, Field(ge=0, description="feedback per request")]
    latency_ms: Latency
    accuracy: Accuracy
    confusion_matrix: Annotated[
        list[_ConfusionMatrixRow],
        Field(
            min_length=11,
            max_length=11,
            description="estimated number of requests: rows by true digit (10: not a digit),"
            " columns by predicted digit",
        ),
    ]
    calibration: list[CalibrationBin]


class VersionReports(BaseModel):
    """A report for each version."""

    v1: VersionReport
    v2: VersionReport


class EligibleFeedback(BaseModel):
    """The feedback on one version that the comparison counts."""

    eligible: Count
    eligible_correct: Count


class EligibleFeedbackByVersion(BaseModel):
    """The feedback on each version that the comparison counts."""

    v1: EligibleFeedback
    v2: EligibleFeedback


class UserFeedback(BaseModel):
    """A comparison of the versions by user feedback; it does not affect the verdict."""

    note: str
    versions: EligibleFeedbackByVersion
    difference: Annotated[
        DifferenceInterval, Field(description="share of correct predictions, v2 minus v1")
    ]


class Report(BaseModel):
    """User feedback, metrics of both versions, and the current experiment."""

    msg: Annotated[
        Literal["No hay feedback disponible"] | SkipJsonSchema[None],
        Field(description="sent instead of the four feedback fields if there is no feedback"),
    ] = None
    total_feedback: Count | SkipJsonSchema[None] = None
    correct_feedback: Count | SkipJsonSchema[None] = None
    incorrect_feedback: Count | SkipJsonSchema[None] = None
    accuracy_percentage: Annotated[float | SkipJsonSchema[None], Field(ge=0, le=100)] = None
    versions: VersionReports
    experiment: Annotated[Experiment | None, Field(description="the current experiment")]
    user_feedback: UserFeedback | None
