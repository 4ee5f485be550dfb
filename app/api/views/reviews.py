"""Blind review over HTTP: the picture that is next, a word on it, taking one's last word back."""

import base64
from typing import Annotated
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel, ConfigDict

from app.api.http.authentication import current_user, require_roles
from app.api.http.contract import error_responses, request_body, require_fields, responds
from app.api.http.rate_limits import limiter, review_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.errors import Message
from app.api.schemas.experiments import ReviewQueue
from app.api.schemas.request_fields import DIGIT_FIELD, FLAG_FIELD, Digit, Flag
from app.domain.errors import Conflict, InvalidInput
from app.domain.review_labels import NOT_A_DIGIT, SKIPPED
from app.domain.roles import Role
from app.imaging.decoding import encode_png
from app.services.reviews import review_queue

blueprint = Blueprint("review", __name__, url_prefix="/admin/review")


class ReviewRequest(BaseModel):
    """What a reviewer may say of a picture: one of these."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                require_fields(digit={"type": "integer"}),
                require_fields(not_a_digit={"const": True}),
                require_fields(skip={"const": True}),
            ]
        }
    )

    digit: Annotated[Digit | None, DIGIT_FIELD] = None
    not_a_digit: Annotated[Flag, FLAG_FIELD] = False
    skip: Annotated[Flag, FLAG_FIELD] = False

    @property
    def truth(self) -> int:
        """The one thing that was said. Raises InvalidInput for none or several."""
        said = [NOT_A_DIGIT] * self.not_a_digit + [SKIPPED] * self.skip
        said += [] if self.digit is None else [self.digit]
        if len(said) != 1:
            raise InvalidInput("One of digit, not_a_digit and skip is required")
        return said[0]


@blueprint.get("")
@limiter.limit(review_limit)
@require_roles(Role.ADMIN, Role.REVIEWER)
@responds(ReviewQueue)
def get_next_item() -> serializers.Json:
    """The picture that is next for this reviewer, theirs for two minutes."""
    item, waiting = review_queue.next_item(current_user().user_id)
    answer: serializers.Json = {
        "pending": waiting.total,
        "user_flagged": waiting.user_flagged,
        "item": None,
    }
    if item is not None:
        image = base64.b64encode(encode_png(item.image)).decode()
        answer["item"] = {
            "prediction_id": str(item.prediction_id),
            "image": f"data:image/png;base64,{image}",
            "leased_until": item.leased_until.isoformat(),
        }
    return answer


@blueprint.post("/<uuid:prediction_id>")
@limiter.limit(review_limit)
@require_roles(Role.ADMIN, Role.REVIEWER)
@request_body(ReviewRequest)
@responds(Message, status=201)
@error_responses(Conflict)
def submit_review(prediction_id: UUID) -> tuple[serializers.Json, int]:
    """Take a reviewer's word on a picture in."""
    review_queue.submit_label(current_user().user_id, prediction_id, json_body(ReviewRequest).truth)
    return {"msg": "Review recorded"}, 201


@blueprint.delete("/<uuid:prediction_id>")
@limiter.limit(review_limit)
@require_roles(Role.ADMIN, Role.REVIEWER)
@responds(Message)
@error_responses(Conflict)
def undo_review(prediction_id: UUID) -> serializers.Json:
    """Undo a reviewer's last word."""
    review_queue.undo_last(current_user().user_id, prediction_id)
    return {"msg": "Review taken back"}
