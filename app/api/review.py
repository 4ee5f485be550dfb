"""Blind review over HTTP: the picture that is next, a word on it, taking one's last word back."""

import base64
from typing import Annotated
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel

from app.api import shown
from app.api.bodies import DIGIT, FLAG, WholeNumber, json_body
from app.api.identity import caller, requires
from app.api.limits import limiter, review_limit
from app.domain.errors import InvalidInput
from app.domain.labels import NOT_A_DIGIT, SKIPPED
from app.domain.roles import Role
from app.imaging.pictures import encode_png
from app.services import reviewing

blueprint = Blueprint("review", __name__, url_prefix="/admin/review")


class Label(BaseModel):
    """What a reviewer may say of a picture: one of these."""

    digit: Annotated[WholeNumber | None, DIGIT] = None
    not_a_digit: Annotated[bool, FLAG] = False
    skip: Annotated[bool, FLAG] = False

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
def following() -> shown.Json:
    """The picture that is next for this reviewer, theirs for two minutes."""
    item, waiting = reviewing.next_item(caller().user_id)
    answer: shown.Json = {"waiting": waiting.disagreements + waiting.audits, "item": None}
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
def label(prediction_id: UUID) -> tuple[shown.Json, int]:
    """Take a reviewer's word on a picture in."""
    reviewing.label(caller().user_id, prediction_id, json_body(Label).truth)
    return {"msg": "Review recorded"}, 201


@blueprint.delete("/<uuid:prediction_id>")
@limiter.limit(review_limit)
@requires(Role.ADMIN, Role.REVIEWER)
def take_back(prediction_id: UUID) -> shown.Json:
    """Undo a reviewer's last word."""
    reviewing.take_back(caller().user_id, prediction_id)
    return {"msg": "Review taken back"}
