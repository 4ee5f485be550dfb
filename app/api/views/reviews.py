"""Blind review: label images without seeing the predictions."""

import base64
from uuid import UUID

from flask import Blueprint

from app.api.http.authentication import current_user, require_roles
from app.api.http.contract import error_responses, request_body, responds
from app.api.http.rate_limits import limiter, review_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.errors import Message
from app.api.schemas.reviews import ReviewQueue, ReviewRequest
from app.domain.errors import Conflict
from app.domain.roles import Role
from app.imaging.decoding import encode_png
from app.services.reviews import review_queue

blueprint = Blueprint("reviews", __name__, url_prefix="/admin/review")


@blueprint.get("")
@limiter.limit(review_limit)
@require_roles(Role.ADMIN, Role.REVIEWER)
@responds(ReviewQueue)
def get_next_item() -> serializers.Json:
    """Get the next image to label, leased to you for two minutes."""
    item, queue_size = review_queue.next_item(current_user().user_id)
    response: serializers.Json = {
        "pending": queue_size.total,
        "user_flagged": queue_size.user_flagged,
        "item": None,
    }
    if item is not None:
        image = base64.b64encode(encode_png(item.image)).decode()
        response["item"] = {
            "prediction_id": str(item.prediction_id),
            "image": f"data:image/png;base64,{image}",
            "leased_until": item.leased_until.isoformat(),
        }
    return response


@blueprint.post("/<uuid:prediction_id>")
@limiter.limit(review_limit)
@require_roles(Role.ADMIN, Role.REVIEWER)
@request_body(ReviewRequest)
@responds(Message, status=201)
@error_responses(Conflict)
def submit_review(prediction_id: UUID) -> tuple[serializers.Json, int]:
    """Submit the label of an image."""
    review_queue.submit_label(current_user().user_id, prediction_id, json_body(ReviewRequest).label)
    return {"msg": "Review recorded"}, 201


@blueprint.delete("/<uuid:prediction_id>")
@limiter.limit(review_limit)
@require_roles(Role.ADMIN, Role.REVIEWER)
@responds(Message)
@error_responses(Conflict)
def undo_review(prediction_id: UUID) -> serializers.Json:
    """Undo your latest label."""
    review_queue.undo_last(current_user().user_id, prediction_id)
    return {"msg": "Review undone"}
