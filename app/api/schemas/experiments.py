"""Reviews, experiments and the report as answers show them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.response_fields import (
    Count,
    DifferenceInterval,
    Id,
    Proportion,
    ProportionInterval,
    VersionName,
)
from app.domain.assignment import AssignmentUnit
from app.domain.verdicts import Outcome


class ReviewItem(BaseModel):
    """A picture to label; what the versions said of it is not told."""

    prediction_id: UUID
    image: Annotated[str, Field(pattern="^data:image/png;base64,", description="28x28 pixels")]
    leased_until: Annotated[datetime, Field(description="until then nobody else is given it")]


class ReviewQueue(BaseModel):
    """What waits for a reviewer."""

    pending: Annotated[Count, Field(description="pictures")]
    user_flagged: Annotated[Count, Field(description="those among them outside the experiment")]
    item: Annotated[ReviewItem | None, Field(description="null where nothing waits for you")]


class CountByVersion(BaseModel):
    """A count for each version."""

    v1: Count
    v2: Count


class LabelCounts(BaseModel):
    """Reviewers' labels of an experiment, by what they are good for."""

    discordant: Annotated[Count, Field(description="exactly one version was right")]
    disagreements: Annotated[Count, Field(description="on pictures that the versions differ on")]
    audit: Annotated[Count, Field(description="on pictures that they agree on")]
    total: Count
    skipped: Count
    erased: Annotated[Count, Field(description="pictures that were erased before their label")]


class SampleRatioMismatch(BaseModel):
    """Whether the versions were drawn as often as set."""

    log_e_value: Annotated[float, Field(description="natural logarithm; void from log 1000 on")]
    p_value: Annotated[
        Proportion | None, Field(description="of the last stage that divided traffic")
    ]


class Stage(BaseModel):
    """A time at one weight."""

    weight: Annotated[Proportion, Field(description="the share of A/B traffic that v2 answers")]
    reason: str
    started_at: datetime


class Winner(BaseModel):
    """The version that proved better, and when; it stays named."""

    version: VersionName
    named_at: datetime


class Experiment(BaseModel):
    """An experiment with its verdict and what that rests on."""

    id: Id
    running: bool
    unit: Annotated[AssignmentUnit, Field(description="what is assigned to a version")]
    weight: Annotated[Proportion, Field(description="of the last stage")]
    ramp: list[Proportion]
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    stages: list[Stage]
    winner: Winner | None
    verdict: Outcome
    reason: Annotated[str | None, Field(description="why it is void")]
    e_value: Annotated[float, Field(ge=0, description="against 'neither is better'; decides at 20")]
    v2_win_rate: Annotated[
        ProportionInterval, Field(description="how often v2 is right where exactly one version is")
    ]
    accuracy_difference: Annotated[DifferenceInterval, Field(description="v2 less v1")]
    labels_needed: Annotated[Count | None, Field(description="an estimate of how many more")]
    labels: LabelCounts
    requests: Count
    disagreements: Annotated[Count, Field(description="requests on which the versions differ")]
    served: Annotated[CountByVersion, Field(description="requests by the version that answered")]
    sample_ratio_mismatch: SampleRatioMismatch
    crossover_rate: Annotated[Proportion, Field(description="of users, who met both versions")]
    skip_rate: Annotated[Proportion, Field(description="of labels")]
    erasure_rate: Annotated[
        Proportion, Field(description="of pictures on which the versions differ")
    ]
    warnings: list[str]


class ExperimentList(BaseModel):
    """The last experiments, the newest first."""

    experiments: list[Experiment]


class Latency(BaseModel):
    """Milliseconds from the picture to the answer; null while there is none."""

    p50: Annotated[float | None, Field(ge=0)]
    p99: Annotated[float | None, Field(ge=0)]


class Accuracy(ProportionInterval):
    """An estimate over all A/B requests with its 95 % interval; null while a part is unknown."""

    value: Proportion | None


class CalibrationBin(BaseModel):
    """Answers whose confidence lies in a range: how sure the version was, how often right."""

    low: Proportion
    high: Proportion
    labels: Annotated[Count, Field(description="that this rests on")]
    confidence: Proportion
    accuracy: Proportion


_ConfusionMatrixRow = Annotated[
    list[Annotated[float, Field(ge=0)]], Field(min_length=10, max_length=10)
]


class VersionReport(BaseModel):
    """A version at a glance; labels are those of the current experiment."""

    served: Annotated[Count, Field(description="requests")]
    feedback_count: Annotated[Count, Field(description="of users on its answers")]
    correct: Annotated[Count, Field(description="of these words")]
    response_rate: Annotated[float, Field(ge=0, description="words by request")]
    latency_ms: Latency
    accuracy: Accuracy
    confusion_matrix: Annotated[
        list[_ConfusionMatrixRow],
        Field(
            min_length=11,
            max_length=11,
            description="estimated requests: rows by what is there (10: no digit), columns by what"
            " was named",
        ),
    ]
    calibration: list[CalibrationBin]


class VersionReports(BaseModel):
    """A report for each version."""

    v1: VersionReport
    v2: VersionReport


class EligibleFeedback(BaseModel):
    """Users' words on one version."""

    eligible: Count
    eligible_correct: Count


class EligibleFeedbackByVersion(BaseModel):
    """Users' words on each version."""

    v1: EligibleFeedback
    v2: EligibleFeedback


class UserFeedback(BaseModel):
    """What users volunteered; it never moves the verdict."""

    note: str
    versions: EligibleFeedbackByVersion
    difference: Annotated[DifferenceInterval, Field(description="v2 less v1, of shares correct")]


class Report(BaseModel):
    """What people said of the answers, and which version is better."""

    msg: Annotated[
        Literal["No hay feedback disponible"] | SkipJsonSchema[None],
        Field(description="in the place of the four figures while there is no feedback"),
    ] = None
    total_feedback: Count | SkipJsonSchema[None] = None
    correct_feedback: Count | SkipJsonSchema[None] = None
    incorrect_feedback: Count | SkipJsonSchema[None] = None
    accuracy_percentage: Annotated[float | SkipJsonSchema[None], Field(ge=0, le=100)] = None
    versions: VersionReports
    experiment: Annotated[Experiment | None, Field(description="the current one")]
    user_feedback: UserFeedback | None
