"""Models and deployments over HTTP: what there is, what served, putting another into service."""

from typing import Annotated

from flask import Blueprint
from pydantic import BaseModel, Field

from app.api.http.authentication import caller, requires
from app.api.http.container import parts
from app.api.http.contract import answers, raises, takes
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.models import Alerts, Deployment, Deployments, GuardedRollouts, KeptModels
from app.domain.assignment import Version
from app.domain.errors import Conflict, UnfitModel
from app.domain.roles import Role
from app.services.models import guarded_rollout, registry
from app.services.notifications import alerts

SHOWN = 100

blueprint = Blueprint("models", __name__, url_prefix="/admin")


class Place(BaseModel):
    """Which version a model is to serve."""

    version: Annotated[Version, Field(description="v1 or v2")]


@blueprint.get("/models")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(KeptModels)
def newest() -> serializers.Json:
    """The last models, the newest first."""
    return {"models": [serializers.kept_model(model) for model in registry.newest(SHOWN)]}


@blueprint.post("/models/<int(max=2147483647):model_id>/deploy")
@requires(Role.ADMIN)
@takes(Place)
@answers(Deployment, status=201)
@raises(Conflict, UnfitModel)
def deploy(model_id: int) -> tuple[serializers.Json, int]:
    """Put a model into service."""
    deployed = registry.deploy(model_id, json_body(Place).version, caller().user_id)
    parts().lookout.wake()
    return serializers.deployment(deployed), 201


@blueprint.post("/versions/<any(v1, v2):version>/rollback")
@requires(Role.ADMIN)
@answers(Deployment, status=201)
@raises(Conflict, UnfitModel)
def roll_back(version: str) -> tuple[serializers.Json, int]:
    """Take the last deployment of a version back."""
    deployed = registry.roll_back(Version(version), caller().user_id)
    parts().lookout.wake()
    return serializers.deployment(deployed), 201


@blueprint.get("/deployments")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(Deployments)
def deployments() -> serializers.Json:
    """What was put into service last, the newest first."""
    return {"deployments": [serializers.deployment(each) for each in registry.deployments(SHOWN)]}


@blueprint.get("/rollouts")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(GuardedRollouts)
def rollouts() -> serializers.Json:
    """The last deployments beside their predecessors, the newest first."""
    return {"rollouts": [serializers.guard(each) for each in guarded_rollout.newest(SHOWN)]}


@blueprint.get("/alerts")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(Alerts)
def told() -> serializers.Json:
    """What happened by itself, the newest first."""
    return {"alerts": [serializers.alert(each) for each in alerts.newest(SHOWN)]}
