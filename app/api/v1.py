"""Version 1 of the model over HTTP."""

from flask import Blueprint

from app.api import shown
from app.api.bodies import picture
from app.api.contract import answers, takes_pictures
from app.api.identity import EVERYBODY, caller, requires
from app.api.limits import limiter, v1_limit
from app.api.parts import parts
from app.api.schemas.predictions import PredictionV1
from app.domain.assignment import Version
from app.services import prediction

blueprint = Blueprint("v1", __name__, url_prefix="/api/v1")


@blueprint.post("/predict")
@limiter.limit(v1_limit)
@requires(*EVERYBODY)
@takes_pictures()
@answers(PredictionV1)
def predict() -> shown.Json:
    """Let v1 read a picture."""
    made = prediction.predict(parts().reader, Version.V1, caller().user_id, picture())
    return shown.prediction(made)
