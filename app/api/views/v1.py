"""Version 1 of the model over HTTP."""

from flask import Blueprint

from app.api.http.authentication import EVERYBODY, caller, requires
from app.api.http.container import parts
from app.api.http.contract import answers, takes_pictures
from app.api.http.rate_limits import limiter, v1_limit
from app.api.http.request_parsing import picture
from app.api.schemas import serializers
from app.api.schemas.predictions import PredictionV1
from app.domain.assignment import Version
from app.services.predictions import predictor

blueprint = Blueprint("v1", __name__, url_prefix="/api/v1")


@blueprint.post("/predict")
@limiter.limit(v1_limit)
@requires(*EVERYBODY)
@takes_pictures()
@answers(PredictionV1)
def predict() -> serializers.Json:
    """Let v1 read a picture."""
    made = predictor.predict(parts().reader, Version.V1, caller().user_id, picture())
    return serializers.prediction(made)
