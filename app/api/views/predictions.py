"""One's own predictions over HTTP."""

from typing import Annotated
from uuid import UUID

from flask import Blueprint, Response
from pydantic import BaseModel, Field

from app.api.http.authentication import EVERYBODY, caller, requires
from app.api.http.contract import answers, takes_query
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import query
from app.api.schemas import serializers
from app.api.schemas.errors import Message
from app.api.schemas.predictions import Entry, EntryPage
from app.imaging.decoding import encode_png
from app.services.predictions import history

blueprint = Blueprint("history", __name__, url_prefix="/predictions")


class Page(BaseModel):
    """Which predictions are wanted."""

    limit: Annotated[int, Field(ge=1, le=100, description="a whole number from 1 to 100")] = 20
    before: Annotated[UUID | None, Field(description="a prediction_id")] = None


@blueprint.get("")
@limiter.limit(read_limit)
@requires(*EVERYBODY)
@takes_query(Page)
@answers(EntryPage)
def page() -> serializers.Json:
    """One's own predictions, the newest first."""
    wanted = query(Page)
    found = history.page(caller().user_id, wanted.limit, wanted.before)
    more = len(found) == wanted.limit
    return {
        "predictions": [serializers.entry(entry) for entry in found],
        "next_before": str(found[-1].prediction.id) if more else None,
    }


@blueprint.get("/<uuid:prediction_id>")
@limiter.limit(read_limit)
@requires(*EVERYBODY)
@answers(Entry)
def find(prediction_id: UUID) -> serializers.Json:
    """One of one's own predictions."""
    return serializers.entry(history.find(caller().user_id, prediction_id))


@blueprint.get("/<uuid:prediction_id>/image")
@limiter.limit(read_limit)
@requires(*EVERYBODY)
@answers(also=("image/png",))
def image(prediction_id: UUID) -> Response:
    """The 28x28 image that the models saw, as a PNG."""
    png = encode_png(history.image(caller().user_id, prediction_id))
    return Response(png, mimetype="image/png", headers={"Cache-Control": "private, no-store"})


@blueprint.delete("/<uuid:prediction_id>")
@requires(*EVERYBODY)
@answers(Message)
def erase(prediction_id: UUID) -> serializers.Json:
    """Erase one of one's own predictions with its image and the words on it."""
    history.erase(caller().user_id, prediction_id)
    return {"msg": "Prediction erased"}
