"""A/B experiments: list, start, stop and conclude them."""

from flask import Blueprint

from app.api.http.authentication import require_roles
from app.api.http.container import container
from app.api.http.contract import error_responses, request_body, responds
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.experiments import (
    ConcludeRequest,
    Experiment,
    ExperimentList,
    ExperimentRequest,
)
from app.domain.assignment import AssignmentUnit, Version
from app.domain.errors import Conflict, InvalidInput
from app.domain.roles import Role
from app.services.experiments import lifecycle
from app.services.experiments.lifecycle import ExperimentPlan

MAX_LISTED = 50

_ID = "<int(max=2147483647):experiment_id>"

blueprint = Blueprint("experiments", __name__, url_prefix="/admin/experiments")


@blueprint.get("")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@responds(ExperimentList)
def list_experiments() -> serializers.Json:
    """List experiments, newest first."""
    return {
        "experiments": [serializers.experiment(each) for each in lifecycle.list_recent(MAX_LISTED)]
    }


@blueprint.post("")
@require_roles(Role.ADMIN)
@request_body(ExperimentRequest)
@responds(Experiment, status=201)
@error_responses(Conflict)
def start_experiment() -> tuple[serializers.Json, int]:
    """Start an experiment."""
    body = json_body(ExperimentRequest)
    if body.ramp != sorted(set(body.ramp)):
        raise InvalidInput("ramp must be a list of increasing numbers between 0 and 1")
    if body.ramp and body.weight is not None:
        raise InvalidInput("weight and ramp cannot be combined")
    weight = lifecycle.DEFAULT_WEIGHT if body.weight is None else body.weight
    plan = ExperimentPlan(weight, AssignmentUnit(body.unit), tuple(body.ramp), body.ramp_units)
    started = lifecycle.start(plan)
    container().split_cache.invalidate()
    return serializers.experiment(started), 201


@blueprint.post(f"/{_ID}/stop")
@require_roles(Role.ADMIN)
@responds(Experiment)
@error_responses(Conflict)
def stop_experiment(experiment_id: int) -> serializers.Json:
    """Stop an experiment; A/B traffic keeps its last weight."""
    stopped = lifecycle.stop(experiment_id)
    container().split_cache.invalidate()
    return serializers.experiment(stopped)


@blueprint.post(f"/{_ID}/conclude")
@require_roles(Role.ADMIN)
@request_body(ConcludeRequest)
@responds(Experiment)
@error_responses(Conflict)
def conclude_experiment(experiment_id: int) -> serializers.Json:
    """Conclude an experiment: the winner answers all A/B requests from now on."""
    winner = json_body(ConcludeRequest).winner
    concluded = lifecycle.conclude(experiment_id, None if winner is None else Version(winner))
    container().split_cache.invalidate()
    return serializers.experiment(concluded)
