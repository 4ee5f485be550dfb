"""Experiments over HTTP: seeing them, starting, stopping and concluding one."""

from typing import Annotated, Literal

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from app.api.http.authentication import require_roles
from app.api.http.container import container
from app.api.http.contract import error_responses, request_body, responds
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.experiments import Experiment, ExperimentList
from app.api.schemas.request_fields import ACCEPT_INTEGRAL_FLOAT, Number
from app.domain.assignment import AssignmentUnit, Version
from app.domain.errors import Conflict, InvalidInput
from app.domain.roles import Role
from app.services.experiments import lifecycle
from app.services.experiments.lifecycle import ExperimentPlan

MAX_LISTED = 50

_WEIGHT = Field(ge=0, le=1, description="a number from 0 to 1")
_ID = "<int(max=2147483647):experiment_id>"

blueprint = Blueprint("experiments", __name__, url_prefix="/admin/experiments")


class ExperimentRequest(BaseModel):
    """How an experiment is to divide A/B traffic."""

    model_config = ConfigDict(extra="forbid")

    weight: Annotated[Number | None, _WEIGHT] = None
    unit: Annotated[Literal["request", "user"], Field(description="request or user")] = "request"
    ramp: Annotated[
        list[Annotated[Number, Field(gt=0, lt=1)]],
        Field(max_length=20, description="a list of up to 20 numbers between 0 and 1"),
    ] = []
    ramp_units: Annotated[
        int,
        Field(strict=True, ge=1, le=1_000_000, description="a whole number from 1 to 1000000"),
        ACCEPT_INTEGRAL_FLOAT,
    ] = lifecycle.DEFAULT_RAMP_UNITS


class ConcludeRequest(BaseModel):
    """Which version is to answer all A/B requests."""

    winner: Annotated[Literal["v1", "v2"] | None, Field(description="v1 or v2")] = None


@blueprint.get("")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@responds(ExperimentList)
def list_experiments() -> serializers.Json:
    """The last experiments, the newest first."""
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
    wanted = json_body(ExperimentRequest)
    if wanted.ramp != sorted(set(wanted.ramp)):
        raise InvalidInput("ramp must be a list of numbers between 0 and 1 that grow")
    if wanted.ramp and wanted.weight is not None:
        raise InvalidInput("weight and ramp exclude each other")
    weight = lifecycle.DEFAULT_WEIGHT if wanted.weight is None else wanted.weight
    plan = ExperimentPlan(
        weight, AssignmentUnit(wanted.unit), tuple(wanted.ramp), wanted.ramp_units
    )
    started = lifecycle.start(plan)
    container().split_cache.invalidate()
    return serializers.experiment(started), 201


@blueprint.post(f"/{_ID}/stop")
@require_roles(Role.ADMIN)
@responds(Experiment)
@error_responses(Conflict)
def stop_experiment(experiment_id: int) -> serializers.Json:
    """End an experiment; A/B goes on at its last weight."""
    stopped = lifecycle.stop(experiment_id)
    container().split_cache.invalidate()
    return serializers.experiment(stopped)


@blueprint.post(f"/{_ID}/conclude")
@require_roles(Role.ADMIN)
@request_body(ConcludeRequest)
@responds(Experiment)
@error_responses(Conflict)
def conclude_experiment(experiment_id: int) -> serializers.Json:
    """End an experiment and let the winner answer all A/B requests."""
    winner = json_body(ConcludeRequest).winner
    concluded = lifecycle.conclude(experiment_id, None if winner is None else Version(winner))
    container().split_cache.invalidate()
    return serializers.experiment(concluded)
