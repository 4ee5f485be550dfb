"""Request and response bodies for experiments."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat

from app.api.schemas.request_fields import ACCEPT_INTEGRAL_FLOAT
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
from app.services.experiments.lifecycle import DEFAULT_RAMP_UNITS

_WEIGHT = Field(ge=0, le=1, description="a number from 0 to 1")


class ExperimentRequest(BaseModel):
    """How the new experiment divides A/B traffic: at a fixed weight, or by a ramp of weights."""

    model_config = ConfigDict(extra="forbid")

    weight: Annotated[StrictFloat | None, _WEIGHT] = None
    unit: Annotated[Literal["request", "user"], Field(description="request or user")] = "request"
    ramp: Annotated[
        list[Annotated[StrictFloat, Field(gt=0, lt=1)]],
        Field(max_length=20, description="a list of up to 20 numbers between 0 and 1"),
    ] = []
    ramp_units: Annotated[
        int,
        Field(strict=True, ge=1, le=1_000_000, description="a whole number from 1 to 1000000"),
        ACCEPT_INTEGRAL_FLOAT,
    ] = DEFAULT_RAMP_UNITS


class ConcludeRequest(BaseModel):
    """The version that answers all A/B requests from now on; by default the named winner."""

    winner: Annotated[Literal["v1", "v2"] | None, Field(description="v1 or v2")] = None


class CountByVersion(BaseModel):
    """A count for each version."""

    v1: Count
    v2: Count


class LabelCounts(BaseModel):
    """The labels of an experiment's review items, by kind; kinds overlap."""

    discordant: Annotated[Count, Field(description="exactly one version was correct")]
    disagreements: Annotated[Count, Field(description="the versions predicted different digits")]
    audit: Annotated[Count, Field(description="the versions agreed, and the image was audited")]
    total: Count
    skipped: Count
    erased: Annotated[Count, Field(description="images erased before they were labeled")]


class SampleRatioMismatch(BaseModel):
    """A test of whether the versions were assigned as often as the traffic split says."""

    log_e_value: Annotated[
        float, Field(description="natural logarithm; the experiment is invalid from log 1000 on")
    ]
    p_value: Annotated[
        Proportion | None, Field(description="of the last stage that divided traffic")
    ]


class Stage(BaseModel):
    """A period of an experiment with one traffic split."""

    weight: Annotated[Proportion, Field(description="share of A/B traffic that v2 answers")]
    reason: str
    started_at: datetime


class Winner(BaseModel):
    """The version that was found to be better; it stays the winner."""

    version: VersionName
    named_at: datetime


class Experiment(BaseModel):
    """An experiment with its verdict and the evidence for it."""

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
    reason: Annotated[str | None, Field(description="why the experiment is invalid")]
    e_value: Annotated[
        float,
        Field(ge=0, description="evidence against equal versions; at 20 the winner is named"),
    ]
    v2_win_rate: Annotated[
        ProportionInterval,
        Field(description="share of the discordant pairs on which v2 is correct"),
    ]
    accuracy_difference: Annotated[DifferenceInterval, Field(description="v2 minus v1")]
    labels_needed: Annotated[
        Count | None, Field(description="estimated number of labels still needed")
    ]
    labels: LabelCounts
    requests: Count
    disagreements: Annotated[
        Count, Field(description="requests on which the versions predict different digits")
    ]
    served: Annotated[CountByVersion, Field(description="requests by the version that answered")]
    sample_ratio_mismatch: SampleRatioMismatch
    crossover_rate: Annotated[
        Proportion, Field(description="share of users exposed to both versions")
    ]
    skip_rate: Annotated[Proportion, Field(description="share of labels that are skips")]
    erasure_rate: Annotated[
        Proportion, Field(description="share of the disagreements whose images were erased")
    ]
    warnings: list[str]


class ExperimentList(BaseModel):
    """The latest experiments, newest first."""

    experiments: list[Experiment]
