"""Whether the service lives and works, for whoever operates it; never rate-limited."""

from flask import Blueprint, request

from app.api.http.container import parts
from app.api.http.contract import answers, raises
from app.api.http.rate_limits import limiter
from app.api.schemas.errors import Status
from app.domain.errors import NotFound, Unavailable
from app.services.monitoring import readiness

blueprint = Blueprint("health", __name__)
limiter.exempt(blueprint)


@blueprint.get("/health")
@answers(Status)
def health() -> dict[str, str]:
    """What old clients ask."""
    return {"status": "ok"}


@blueprint.get("/livez")
@answers(Status)
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@answers(Status)
@raises(Unavailable)
def ready() -> dict[str, str]:
    """The process can do its work: the database answers and the models are loaded."""
    readiness.check(parts().inference)
    return {"status": "ready"}


def serve_nothing_else() -> None:
    """Refuse what is not about health: this process carries sockets alone. Raises NotFound."""
    if request.blueprint not in {blueprint.name, "metrics"}:
        raise NotFound("This service carries the live connection alone")
