"""The A/B test over HTTP: one of the two versions answers."""

from flask import Blueprint

from app.api import shown
from app.api.bodies import picture
from app.api.contract import answers, raises, takes_pictures
from app.api.identity import EVERYBODY, caller, requires
from app.api.parts import parts
from app.api.schemas.predictions import DrawnPrediction
from app.domain.errors import Unavailable
from app.services import prediction

blueprint = Blueprint("ab", __name__, url_prefix="/api/ab")


@blueprint.post("/predict")
@requires(*EVERYBODY)
@takes_pictures()
@answers(DrawnPrediction)
@raises(Unavailable)
def predict() -> shown.Json:
    """Let the version that is drawn read a picture."""
    wired = parts()
    made = prediction.predict_split(
        wired.reader, wired.splits.current(), caller().user_id, picture()
    )
    return shown.drawn(made)
