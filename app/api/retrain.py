"""Retraining over HTTP."""

from typing import Annotated, Literal

from flask import Blueprint, Response, url_for
from pydantic import BaseModel, Field

from app.api import shown
from app.api.bodies import json_body
from app.api.contract import answers, raises, takes
from app.api.identity import caller, requires
from app.api.limits import limiter, read_limit
from app.api.parts import parts
from app.api.schemas.serving import Job, JobAccepted, Jobs
from app.domain.assignment import Version
from app.domain.errors import Conflict, NothingToLearn
from app.domain.roles import Role
from app.services import retraining

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
def start() -> tuple[shown.Json, int, dict[str, str]]:
    """Ask for a retrain."""
    order = json_body(RetrainOrder)
    job = retraining.request(caller().user_id, order.version, order.deploy)
    parts().wake_retrains()
    return {"msg": STARTED, "job_id": job.id}, 202, {"Location": url_for(".find", job_id=job.id)}


@blueprint.get("")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(Jobs)
def newest() -> shown.Json:
    """The last retrains, the newest first."""
    return {"jobs": [shown.job(job) for job in retraining.newest(SHOWN_JOBS)]}


@blueprint.get("/<int(max=2147483647):job_id>")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(Job)
def find(job_id: int) -> shown.Json:
    """One retrain."""
    return shown.job(retraining.find(job_id))


@blueprint.get("/<int(max=2147483647):job_id>/log")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
@answers(also=("text/plain",))
def log(job_id: int) -> Response:
    """What its training wrote."""
    return Response(retraining.log(job_id), mimetype="text/plain")


@blueprint.post("/<int(max=2147483647):job_id>/cancel")
@requires(Role.ADMIN)
@answers(Job)
@raises(Conflict)
def cancel(job_id: int) -> shown.Json:
    """Have a retrain end without a candidate."""
    return shown.job(retraining.cancel(job_id))
