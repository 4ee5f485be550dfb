"""Request and response bodies for retrain jobs."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.api.schemas.errors import Message
from app.api.schemas.response_fields import Count, Id, Proportion, VersionName
from app.domain.assignment import Version


class RetrainRequest(BaseModel):
    """The version to retrain, and whether the candidate is deployed automatically."""

    version: Annotated[Version, Field(description="v1 or v2")] = Version.V2
    deploy: Annotated[Literal["auto", "manual"], Field(description="auto or manual")] = "auto"


class GateResult(BaseModel):
    """The result of one promotion gate."""

    name: str
    passed: bool
    summary: Annotated[str, Field(description="the result as a sentence")]
    metrics: Annotated[
        dict[str, float], Field(description="proportions and differences, as fractions of 1")
    ]


class RetrainJob(BaseModel):
    """A retrain job."""

    id: Id
    version: VersionName
    deploy: Literal["auto", "manual"]
    status: Literal["queued", "running", "deployed", "ready", "rejected", "cancelled", "failed"]
    error: Annotated[str | None, Field(description="why the candidate was not deployed")]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    stage: Annotated[str | None, Field(description="current stage of the training")]
    progress: Annotated[Proportion | None, Field(description="progress of the stage, 0..1")]
    loss: float | None
    seconds_left: Annotated[float | None, Field(ge=0)]
    train_labels: Annotated[Count | None, Field(description="reviewed labels used for training")]
    holdout_labels: Annotated[
        Count | None, Field(description="reviewed labels held out for evaluation")
    ]
    gates: Annotated[
        list[GateResult],
        Field(description="results of the promotion gates, in order; empty before the evaluation"),
    ]
    model_id: Annotated[int | None, Field(description="the candidate, once it is stored")]


class RetrainJobList(BaseModel):
    """The latest retrain jobs, newest first."""

    jobs: list[RetrainJob]


class RetrainAccepted(Message):
    """An accepted retrain request; the header Location is the address of the job."""

    job_id: Id
