"""Models and deployments over HTTP: what there is, what served, putting another into service."""

from typing import Annotated

from flask import Blueprint
from pydantic import BaseModel, Field

from app.api import shown
from app.api.bodies import json_body
from app.api.contract import answers, raises, takes
from app.api.identity import caller, requires
from app.api.limits import limiter, read_limit
from app.api.parts import parts
from app.api.schemas.serving import Alerts, Deployment, Deployments, GuardedRollouts, KeptModels
from app.domain.assignment import Version
from app.domain.errors import Conflict, UnfitModel
from app.domain.roles import Role
from app.services import alerts, guarding, models

SHOWN = 100

blueprint = Blueprint("models", __name__, url_prefix="/admin")


class Place(BaseModel):
    """Which version a model is to serve."""

    version: Annotated[Version, Field(description="v1 or v2")]


@blueprint.get("/models")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(KeptModels)
def newest() -> shown.Json:
    """The last models, the newest first."""
    return {"models": [shown.kept_model(model) for model in models.newest(SHOWN)]}


@blueprint.post("/models/<int(max=2147483647):model_id>/deploy")
@requires(Role.ADMIN)
@takes(Place)
@answers(Deployment, status=201)
@raises(Conflict, UnfitModel)
def deploy(model_id: int) -> tuple[shown.Json, int]:
    """Put a model into service."""
    deployed = models.deploy(model_id, json_body(Place).version, caller().user_id)
    parts().lookout.wake()
    return shown.deployment(deployed), 201


@blueprint.post("/versions/<any(v1, v2):version>/rollback")
@requires(Role.ADMIN)
@answers(Deployment, status=201)
@raises(Conflict, UnfitModel)
def roll_back(version: str) -> tuple[shown.Json, int]:
    """Take the last deployment of a version back."""
    deployed = models.roll_back(Version(version), caller().user_id)
    parts().lookout.wake()
    return shown.deployment(deployed), 201


@blueprint.get("/deployments")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(Deployments)
def deployments() -> shown.Json:
    """What was put into service last, the newest first."""
    return {"deployments": [shown.deployment(each) for each in models.deployments(SHOWN)]}


@blueprint.get("/rollouts")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(GuardedRollouts)
def rollouts() -> shown.Json:
    """The last deployments beside their predecessors, the newest first."""
    return {"rollouts": [shown.guard(each) for each in guarding.newest(SHOWN)]}


@blueprint.get("/alerts")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(Alerts)
def told() -> shown.Json:
    """What happened by itself, the newest first."""
    return {"alerts": [shown.alert(each) for each in alerts.newest(SHOWN)]}
