"""The A/B test over HTTP: one of the two versions answers."""

from flask import Blueprint

from app.api import shown
from app.api.bodies import picture
from app.api.identity import EVERYBODY, caller, requires
from app.api.parts import parts
from app.services import prediction

blueprint = Blueprint("ab", __name__, url_prefix="/api/ab")


@blueprint.post("/predict")
@requires(*EVERYBODY)
def predict() -> shown.Json:
    """Let the version that is drawn read a picture."""
    wired = parts()
    made = prediction.predict_split(
        wired.inference, wired.splits.current(), caller().user_id, picture()
    )
    return shown.prediction(made) | {"ab_version": made.version}
