"""The A/B test over HTTP: one of the two versions answers."""

from flask import Blueprint

from app.api.http.authentication import EVERYBODY, caller, requires
from app.api.http.container import parts
from app.api.http.contract import answers, raises, takes_pictures
from app.api.http.request_parsing import picture
from app.api.schemas import serializers
from app.api.schemas.predictions import DrawnPrediction
from app.domain.errors import Unavailable
from app.services.predictions import predictor

blueprint = Blueprint("ab", __name__, url_prefix="/api/ab")


@blueprint.post("/predict")
@requires(*EVERYBODY)
@takes_pictures()
@answers(DrawnPrediction)
@raises(Unavailable)
def predict() -> serializers.Json:
    """Let the version that is drawn read a picture."""
    wired = parts()
    made = predictor.predict_split(
        wired.reader, wired.splits.current(), caller().user_id, picture()
    )
    return serializers.drawn(made)
