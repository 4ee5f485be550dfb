"""Whether the service lives and works, for whoever operates it; never rate-limited."""

from flask import Blueprint

from app.api.limits import limiter
from app.api.parts import parts
from app.services import readiness

blueprint = Blueprint("health", __name__)
limiter.exempt(blueprint)


@blueprint.get("/health")
def health() -> dict[str, str]:
    """What old clients ask."""
    return {"status": "ok"}


@blueprint.get("/livez")
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@blueprint.get("/readyz")
def ready() -> dict[str, str]:
    """The process can do its work: the database answers and the models are loaded."""
    readiness.check(parts().inference)
    return {"status": "ready"}
