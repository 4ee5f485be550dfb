"""Retrain jobs: start, follow and cancel them."""

from flask import Blueprint, Response, url_for

from app.api.http.authentication import current_user, require_roles
from app.api.http.container import container
from app.api.http.contract import error_responses, request_body, responds
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.retraining import RetrainAccepted, RetrainJob, RetrainJobList, RetrainRequest
from app.domain.errors import Conflict, NotEnoughLabels
from app.domain.roles import Role
from app.services.retraining import jobs

STARTED = "Proceso de retraining iniciado"
MAX_LISTED = 50

blueprint = Blueprint("retrain", __name__, url_prefix="/admin/retrain")


@blueprint.post("")
@require_roles(Role.ADMIN)
@request_body(RetrainRequest)
@responds(RetrainAccepted, status=202, headers=("Location",))
@error_responses(Conflict, NotEnoughLabels)
def create_job() -> tuple[serializers.Json, int, dict[str, str]]:
    """Start a retrain job."""
    body = json_body(RetrainRequest)
    job = jobs.create(current_user().user_id, body.version, body.deploy)
    container().notify_retrain_worker()
    return {"msg": STARTED, "job_id": job.id}, 202, {"Location": url_for(".get_job", job_id=job.id)}


@blueprint.get("")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@responds(RetrainJobList)
def list_jobs() -> serializers.Json:
    """List retrain jobs, newest first."""
    return {"jobs": [serializers.job(job) for job in jobs.list_recent(MAX_LISTED)]}


@blueprint.get("/<int(max=2147483647):job_id>")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@responds(RetrainJob)
def get_job(job_id: int) -> serializers.Json:
    """Get a retrain job."""
    return serializers.job(jobs.get(job_id))


@blueprint.get("/<int(max=2147483647):job_id>/log")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@responds(also=("text/plain",))
def get_job_log(job_id: int) -> Response:
    """Get the training log of a retrain job."""
    return Response(jobs.get_log(job_id), mimetype="text/plain")


@blueprint.post("/<int(max=2147483647):job_id>/cancel")
@require_roles(Role.ADMIN)
@responds(RetrainJob)
@error_responses(Conflict)
def cancel_job(job_id: int) -> serializers.Json:
    """Cancel a retrain job."""
    return serializers.job(jobs.cancel(job_id))
