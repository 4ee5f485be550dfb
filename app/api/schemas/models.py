"""Models, deployments, guards, retrains and alerts as answers show them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.api.schemas.errors import Message
from app.api.schemas.response_fields import (
    Count,
    DifferenceInterval,
    Id,
    ModelRef,
    Proportion,
    VersionName,
)


class Model(ModelRef):
    """A model that is kept."""

    id: Id
    is_bundled: Annotated[bool, Field(description="came with Cifra")]
    version: Annotated[VersionName | None, Field(description="what a retrain made it for")]
    rejection_reason: Annotated[str | None, Field(description="why it may not serve")]
    deployed_as: Annotated[list[VersionName], Field(description="now")]
    created_at: datetime


class ModelList(BaseModel):
    """The last models, the newest first."""

    models: list[Model]


class DeployedModel(ModelRef):
    """The model of a deployment."""

    id: Id


class Deployment(BaseModel):
    """A model put into service."""

    id: Id
    version: VersionName
    model: DeployedModel
    reason: str
    user_id: Annotated[int | None, Field(description="who did it; null where it went by itself")]
    created_at: datetime


class DeploymentList(BaseModel):
    """The last deployments, the newest first."""

    deployments: list[Deployment]


class GuardedRollout(BaseModel):
    """A newly deployed model beside its predecessor."""

    id: Id
    version: VersionName
    model_id: Id
    predecessor_id: Id
    opened_at: datetime
    closed_at: datetime | None
    outcome: Annotated[
        Literal["better", "equivalent", "worse", "undecided", "superseded"] | None,
        Field(description="null while it is open"),
    ]
    requests: Count
    disagreements: Annotated[Count, Field(description="requests on which the two differ")]
    labels: Annotated[Count, Field(description="of reviewers on these")]
    accuracy_difference: Annotated[DifferenceInterval, Field(description="new less predecessor")]


class GuardedRolloutList(BaseModel):
    """The last guards, the newest first."""

    rollouts: list[GuardedRollout]


class Alert(BaseModel):
    """What happened by itself."""

    id: Id
    kind: str
    message: str
    created_at: datetime


class AlertList(BaseModel):
    """The last alerts, the newest first."""

    alerts: list[Alert]


class GateResult(BaseModel):
    """What a candidate had to show, and whether it did."""

    name: str
    passed: bool
    summary: Annotated[str, Field(description="the result in words")]
    metrics: Annotated[dict[str, float], Field(description="shares and differences in 0..1")]


class RetrainJob(BaseModel):
    """A retrain."""

    id: Id
    version: VersionName
    deploy: Literal["auto", "manual"]
    status: Literal["queued", "running", "deployed", "ready", "rejected", "cancelled", "failed"]
    error: Annotated[str | None, Field(description="why it did not end as deployed")]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    stage: Annotated[str | None, Field(description="what the training does now")]
    progress: Annotated[Proportion | None, Field(description="what is done of the stage, 0..1")]
    loss: float | None
    seconds_left: Annotated[float | None, Field(ge=0)]
    train_labels: Annotated[Count | None, Field(description="reviewed pictures it learned from")]
    holdout_labels: Annotated[Count | None, Field(description="reviewed pictures it was judged on")]
    gates: Annotated[
        list[GateResult], Field(description="in their order; empty before the judgement")
    ]
    model_id: Annotated[int | None, Field(description="the candidate, once it is kept")]


class RetrainJobList(BaseModel):
    """The last retrains, the newest first."""

    jobs: list[RetrainJob]


class RetrainAccepted(Message):
    """A retrain that was asked for; the header Location says where to look after it."""

    job_id: Id
