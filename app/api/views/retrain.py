"""Retraining over HTTP."""

from typing import Annotated, Literal

from flask import Blueprint, Response, url_for
from pydantic import BaseModel, Field

from app.api.http.authentication import caller, requires
from app.api.http.container import parts
from app.api.http.contract import answers, raises, takes
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.models import Job, JobAccepted, Jobs
from app.domain.assignment import Version
from app.domain.errors import Conflict, NothingToLearn
from app.domain.roles import Role
from app.services.retraining import jobs

STARTED = "Proceso de retraining iniciado"
SHOWN_JOBS = 50

blueprint = Blueprint("retrain", __name__, url_prefix="/admin/retrain")


class RetrainOrder(BaseModel):
    """What is to be retrained, and whether it goes into service by itself."""

    version: Annotated[Version, Field(description="v1 or v2")] = Version.V2
    deploy: Annotated[Literal["auto", "manual"], Field(description="auto or manual")] = "auto"


@blueprint.post("")
@requires(Role.ADMIN)
@takes(RetrainOrder)
@answers(JobAccepted, status=202, headers=("Location",))
@raises(Conflict, NothingToLearn)
def start() -> tuple[serializers.Json, int, dict[str, str]]:
    """Ask for a retrain."""
    order = json_body(RetrainOrder)
    job = jobs.request(caller().user_id, order.version, order.deploy)
    parts().wake_retrains()
    return {"msg": STARTED, "job_id": job.id}, 202, {"Location": url_for(".find", job_id=job.id)}


@blueprint.get("")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(Jobs)
def newest() -> serializers.Json:
    """The last retrains, the newest first."""
    return {"jobs": [serializers.job(job) for job in jobs.newest(SHOWN_JOBS)]}


@blueprint.get("/<int(max=2147483647):job_id>")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(Job)
def find(job_id: int) -> serializers.Json:
    """One retrain."""
    return serializers.job(jobs.find(job_id))


@blueprint.get("/<int(max=2147483647):job_id>/log")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(also=("text/plain",))
def log(job_id: int) -> Response:
    """What its training wrote."""
    return Response(jobs.log(job_id), mimetype="text/plain")


@blueprint.post("/<int(max=2147483647):job_id>/cancel")
@requires(Role.ADMIN)
@answers(Job)
@raises(Conflict)
def cancel(job_id: int) -> serializers.Json:
    """Have a retrain end without a candidate."""
    return serializers.job(jobs.cancel(job_id))
