"""Blind review over HTTP: the picture that is next, a word on it, taking one's last word back."""

import base64
from typing import Annotated
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel, ConfigDict

from app.api.http.authentication import caller, requires
from app.api.http.contract import answers, given, raises, takes
from app.api.http.rate_limits import limiter, review_limit
from app.api.http.request_parsing import json_body
from app.api.schemas import serializers
from app.api.schemas.errors import Message
from app.api.schemas.experiments import ReviewQueue
from app.api.schemas.request_fields import DIGIT, FLAG, Digit, Flag
from app.domain.errors import Conflict, InvalidInput
from app.domain.review_labels import NOT_A_DIGIT, SKIPPED
from app.domain.roles import Role
from app.imaging.decoding import encode_png
from app.services.reviews import review_queue

blueprint = Blueprint("review", __name__, url_prefix="/admin/review")


class Label(BaseModel):
    """What a reviewer may say of a picture: one of these."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                given(digit={"type": "integer"}),
                given(not_a_digit={"const": True}),
                given(skip={"const": True}),
            ]
        }
    )

    digit: Annotated[Digit | None, DIGIT] = None
    not_a_digit: Annotated[Flag, FLAG] = False
    skip: Annotated[Flag, FLAG] = False

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
@requires(Role.ADMIN, Role.REVIEWER)
@answers(ReviewQueue)
def following() -> serializers.Json:
    """The picture that is next for this reviewer, theirs for two minutes."""
    item, waiting = review_queue.next_item(caller().user_id)
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
@requires(Role.ADMIN, Role.REVIEWER)
@takes(Label)
@answers(Message, status=201)
@raises(Conflict)
def label(prediction_id: UUID) -> tuple[serializers.Json, int]:
    """Take a reviewer's word on a picture in."""
    review_queue.label(caller().user_id, prediction_id, json_body(Label).truth)
    return {"msg": "Review recorded"}, 201


@blueprint.delete("/<uuid:prediction_id>")
@limiter.limit(review_limit)
@requires(Role.ADMIN, Role.REVIEWER)
@answers(Message)
@raises(Conflict)
def take_back(prediction_id: UUID) -> serializers.Json:
    """Undo a reviewer's last word."""
    review_queue.take_back(caller().user_id, prediction_id)
    return {"msg": "Review taken back"}
