"""Your own predictions."""

from uuid import UUID

from flask import Blueprint, Response

from app.api.http.authentication import ALL_ROLES, current_user, require_roles
from app.api.http.contract import request_query, responds
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import query_args
from app.api.schemas import serializers
from app.api.schemas.errors import Message
from app.api.schemas.predictions import HistoryEntry, HistoryPage, HistoryQuery
from app.imaging.decoding import encode_png
from app.services.predictions import history

blueprint = Blueprint("predictions", __name__, url_prefix="/predictions")


@blueprint.get("")
@limiter.limit(read_limit)
@require_roles(*ALL_ROLES)
@request_query(HistoryQuery)
@responds(HistoryPage)
def list_predictions() -> serializers.Json:
    """List your predictions, newest first."""
    query = query_args(HistoryQuery)
    page = history.list_page(current_user().user_id, query.limit, query.before)
    is_full = len(page) == query.limit
    return {
        "predictions": [serializers.history_entry(entry) for entry in page],
        "next_before": str(page[-1].prediction.id) if is_full else None,
    }


@blueprint.get("/<uuid:prediction_id>")
@limiter.limit(read_limit)
@require_roles(*ALL_ROLES)
@responds(HistoryEntry)
def get_prediction(prediction_id: UUID) -> serializers.Json:
    """Get one of your predictions."""
    return serializers.history_entry(history.get(current_user().user_id, prediction_id))


@blueprint.get("/<uuid:prediction_id>/image")
@limiter.limit(read_limit)
@require_roles(*ALL_ROLES)
@responds(also=("image/png",))
def get_image(prediction_id: UUID) -> Response:
    """Get the 28x28 image that the models received, as a PNG."""
    png = encode_png(history.get_image(current_user().user_id, prediction_id))
    return Response(png, mimetype="image/png", headers={"Cache-Control": "private, no-store"})


@blueprint.delete("/<uuid:prediction_id>")
@require_roles(*ALL_ROLES)
@responds(Message)
def delete_prediction(prediction_id: UUID) -> serializers.Json:
    """Delete one of your predictions with its image and feedback."""
    history.delete(current_user().user_id, prediction_id)
    return {"msg": "Prediction erased"}
