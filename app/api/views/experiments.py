"""Experiments over HTTP: seeing them, starting, stopping and concluding one."""

from typing import Annotated, Literal

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from app.api.http.authentication import requires
from app.api.http.container import parts
from app.api.http.contract import answers, raises, takes
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.experiments import Experiment, Experiments
from app.api.schemas.request_fields import WHOLE, Number
from app.domain.assignment import Unit, Version
from app.domain.errors import Conflict, InvalidInput
from app.domain.roles import Role
from app.services.experiments import lifecycle
from app.services.experiments.lifecycle import Plan

SHOWN = 50

_WEIGHT = Field(ge=0, le=1, description="a number from 0 to 1")
_ID = "<int(max=2147483647):experiment_id>"

blueprint = Blueprint("experiments", __name__, url_prefix="/admin/experiments")


class ExperimentPlan(BaseModel):
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
        WHOLE,
    ] = lifecycle.UNITS_PER_STEP


class Conclusion(BaseModel):
    """Which version is to answer all A/B requests."""

    winner: Annotated[Literal["v1", "v2"] | None, Field(description="v1 or v2")] = None


@blueprint.get("")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(Experiments)
def page() -> serializers.Json:
    """The last experiments, the newest first."""
    return {"experiments": [serializers.experiment(each) for each in lifecycle.newest(SHOWN)]}


@blueprint.post("")
@requires(Role.ADMIN)
@takes(ExperimentPlan)
@answers(Experiment, status=201)
@raises(Conflict)
def start() -> tuple[serializers.Json, int]:
    """Start an experiment."""
    wanted = json_body(ExperimentPlan)
    if wanted.ramp != sorted(set(wanted.ramp)):
        raise InvalidInput("ramp must be a list of numbers between 0 and 1 that grow")
    if wanted.ramp and wanted.weight is not None:
        raise InvalidInput("weight and ramp exclude each other")
    weight = lifecycle.EVEN if wanted.weight is None else wanted.weight
    plan = Plan(weight, Unit(wanted.unit), tuple(wanted.ramp), wanted.ramp_units)
    started = lifecycle.start(plan)
    parts().splits.forget()
    return serializers.experiment(started), 201


@blueprint.post(f"/{_ID}/stop")
@requires(Role.ADMIN)
@answers(Experiment)
@raises(Conflict)
def stop(experiment_id: int) -> serializers.Json:
    """End an experiment; A/B goes on at its last weight."""
    stopped = lifecycle.stop(experiment_id)
    parts().splits.forget()
    return serializers.experiment(stopped)


@blueprint.post(f"/{_ID}/conclude")
@requires(Role.ADMIN)
@takes(Conclusion)
@answers(Experiment)
@raises(Conflict)
def conclude(experiment_id: int) -> serializers.Json:
    """End an experiment and let the winner answer all A/B requests."""
    winner = json_body(Conclusion).winner
    concluded = lifecycle.conclude(experiment_id, None if winner is None else Version(winner))
    parts().splits.forget()
    return serializers.experiment(concluded)
