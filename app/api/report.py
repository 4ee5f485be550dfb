"""The report over HTTP."""

from flask import Blueprint

from app.api import shown
from app.api.identity import requires
from app.api.limits import limiter, read_limit
from app.domain.roles import Role
from app.services import reporting

NO_FEEDBACK = "No hay feedback disponible"

blueprint = Blueprint("report", __name__, url_prefix="/admin")


@blueprint.get("/report")
@limiter.limit(read_limit)
@requires(Role.ADMIN)
def report() -> shown.Json:
    """What people said of the answers."""
    words = reporting.count_words()
    if words.total == 0:
        return {"msg": NO_FEEDBACK}
    return {
        "total_feedback": words.total,
        "correct_feedback": words.correct,
        "incorrect_feedback": words.total - words.correct,
        "accuracy_percentage": round(100 * words.correct / words.total, 2),
    }
