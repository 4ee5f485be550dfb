"""Models, their deployment and rollback, guarded rollouts and alerts."""

from flask import Blueprint

from app.api.http.authentication import current_user, require_roles
from app.api.http.container import container
from app.api.http.contract import error_responses, request_body, responds
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.models import (
    AlertList,
    Deployment,
    DeploymentList,
    DeployRequest,
    GuardedRolloutList,
    ModelList,
)
from app.domain.assignment import Version
from app.domain.errors import Conflict, InvalidModel
from app.domain.roles import Role
from app.services.models import guarded_rollout, registry
from app.services.notifications import alerts

MAX_LISTED = 100

blueprint = Blueprint("models", __name__, url_prefix="/admin")


@blueprint.get("/models")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@responds(ModelList)
def list_models() -> serializers.Json:
    """List models, newest first."""
    return {
        "models": [serializers.model_summary(model) for model in registry.list_recent(MAX_LISTED)]
    }


@blueprint.post("/models/<int(max=2147483647):model_id>/deploy")
@require_roles(Role.ADMIN)
@request_body(DeployRequest)
@responds(Deployment, status=201)
@error_responses(Conflict, InvalidModel)
def deploy_model(model_id: int) -> tuple[serializers.Json, int]:
    """Deploy a model as a version."""
    deployed = registry.deploy(model_id, json_body(DeployRequest).version, current_user().user_id)
    container().housekeeping.trigger()
    return serializers.deployment(deployed), 201


@blueprint.post("/versions/<any(v1, v2):version>/rollback")
@require_roles(Role.ADMIN)
@responds(Deployment, status=201)
@error_responses(Conflict, InvalidModel)
def roll_back_version(version: str) -> tuple[serializers.Json, int]:
    """Roll back the latest deployment of a version."""
    deployed = registry.roll_back(Version(version), current_user().user_id)
    container().housekeeping.trigger()
    return serializers.deployment(deployed), 201


@blueprint.get("/deployments")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@responds(DeploymentList)
def list_deployments() -> serializers.Json:
    """List deployments, newest first."""
    return {
        "deployments": [
            serializers.deployment(each) for each in registry.list_deployments(MAX_LISTED)
        ]
    }


@blueprint.get("/rollouts")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@responds(GuardedRolloutList)
def list_rollouts() -> serializers.Json:
    """List guarded rollouts, newest first."""
    return {
        "rollouts": [
            serializers.guarded_rollout(each) for each in guarded_rollout.list_recent(MAX_LISTED)
        ]
    }


@blueprint.get("/alerts")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@responds(AlertList)
def list_alerts() -> serializers.Json:
    """List alerts, newest first."""
    return {"alerts": [serializers.alert(each) for each in alerts.list_recent(MAX_LISTED)]}
