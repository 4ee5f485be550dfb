"""Health, liveness and readiness probes; never rate-limited."""

from flask import Blueprint, request

from app.api.http.container import container
from app.api.http.contract import error_responses, responds
from app.api.http.rate_limits import limiter
from app.api.schemas.errors import Status
from app.domain.errors import NotFound, Unavailable
from app.services.monitoring import readiness

blueprint = Blueprint("health", __name__)
limiter.exempt(blueprint)


@blueprint.get("/health")
@responds(Status)
def health() -> dict[str, str]:
    """Check the service's health, as old clients do."""
    return {"status": "ok"}


@blueprint.get("/livez")
@responds(Status)
def livez() -> dict[str, str]:
    """Check that the process is alive."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@responds(Status)
@error_responses(Unavailable)
def readyz() -> dict[str, str]:
    """Check that the process is ready: models, disk space, a database to write to, and no stop."""
    services = container()
    services.shutdown_notice.check()
    readiness.check(services.inference, services.database_file, services.disk_monitor)
    return {"status": "ready"}


def reject_other_routes() -> None:
    """Reject routes other than health and metrics: this process only serves live connections.

    Raises NotFound.
    """
    if request.blueprint not in {blueprint.name, "metrics"}:
        raise NotFound("This service only serves live connections")
