"""Request and response bodies for models, deployments, guarded rollouts and alerts."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.api.schemas.response_fields import (
    Count,
    DifferenceInterval,
    Id,
    ModelRef,
    VersionName,
)
from app.domain.assignment import Version


class DeployRequest(BaseModel):
    """The version that the model is to serve as."""

    version: Annotated[Version, Field(description="v1 or v2")]


class Model(ModelRef):
    """A stored model."""

    id: Id
    is_bundled: Annotated[bool, Field(description="whether it came with Cifra")]
    version: Annotated[
        VersionName | None, Field(description="the version that it was retrained for")
    ]
    rejection_reason: Annotated[
        str | None, Field(description="the promotion gate that it failed; null if it may serve")
    ]
    deployed_as: Annotated[list[VersionName], Field(description="versions that it serves as now")]
    created_at: datetime


class ModelList(BaseModel):
    """The latest models, newest first."""

    models: list[Model]


class DeployedModel(ModelRef):
    """The model of a deployment."""

    id: Id


class Deployment(BaseModel):
    """The deployment of a model as a version."""

    id: Id
    version: VersionName
    model: DeployedModel
    reason: str
    user_id: Annotated[int | None, Field(description="who deployed it; null if it was automatic")]
    created_at: datetime


class DeploymentList(BaseModel):
    """The latest deployments, newest first."""

    deployments: list[Deployment]


class GuardedRollout(BaseModel):
    """A sequential test of a deployed model against its predecessor, with automatic rollback."""

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
    disagreements: Annotated[
        Count, Field(description="requests on which the two models predict different digits")
    ]
    labels: Annotated[Count, Field(description="reviewers' labels of the disagreements")]
    accuracy_difference: Annotated[
        DifferenceInterval, Field(description="deployed model minus predecessor")
    ]


class GuardedRolloutList(BaseModel):
    """The latest guarded rollouts, newest first."""

    rollouts: list[GuardedRollout]


class Alert(BaseModel):
    """An event that needs an admin's attention, such as drift or an automatic rollback."""

    id: Id
    kind: str
    message: str
    created_at: datetime


class AlertList(BaseModel):
    """The latest alerts, newest first."""

    alerts: list[Alert]
