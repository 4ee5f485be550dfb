"""User feedback on predictions."""

from flask import Blueprint

from app.api.http.authentication import ALL_ROLES, current_user, require_roles
from app.api.http.contract import error_responses, request_body, responds
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.errors import Message
from app.api.schemas.feedback import FeedbackRequest
from app.domain.errors import Conflict, ContradictoryFeedback, NotFound
from app.services import feedback

blueprint = Blueprint("feedback", __name__)


@blueprint.post("/feedback")
@require_roles(*ALL_ROLES)
@request_body(FeedbackRequest)
@responds(Message, status=201)
@error_responses(NotFound, Conflict, ContradictoryFeedback)
def submit_feedback() -> tuple[serializers.Json, int]:
    """Submit feedback on a prediction."""
    body = json_body(FeedbackRequest)
    content = feedback.FeedbackInput(
        body.prediction, body.correct, body.digit, body.not_a_digit, body.comment
    )
    if body.prediction_id is None:
        feedback.record_legacy(current_user().user_id, content)
    else:
        feedback.record_for_prediction(
            current_user().user_id, body.prediction_id, content, replace=body.replace
        )
    return {"msg": "Feedback submitted successfully"}, 201
