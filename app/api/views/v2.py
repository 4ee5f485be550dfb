"""Version 2 of the model over HTTP, one picture or many at a time."""

from flask import Blueprint

from app.api.http import error_handlers
from app.api.http.authentication import EVERYBODY, caller, caller_if_known, requires
from app.api.http.container import parts
from app.api.http.contract import answers, takes_pictures
from app.api.http.rate_limits import batch_limit, limiter, v2_limit
from app.api.http.request_parsing import count_files, picture, pictures
from app.api.schemas import serializers
from app.api.schemas.predictions import Batch, PredictionV2
from app.domain.assignment import Version
from app.domain.errors import PictureError
from app.domain.predictions import Prediction
from app.services.predictions import predictor

MAX_BATCH = 256

blueprint = Blueprint("v2", __name__, url_prefix="/api/v2")


@blueprint.post("/predict")
@limiter.limit(v2_limit)
@requires(*EVERYBODY)
@takes_pictures()
@answers(PredictionV2)
def predict() -> serializers.Json:
    """Let v2 read a picture."""
    made = predictor.predict(parts().reader, Version.V2, caller().user_id, picture())
    return serializers.prediction(made)


def _batch_cost() -> int:
    """A batch costs as much as it holds; whoever has no good token pays by the attempt."""
    return max(1, count_files()) if caller_if_known() else 1


@blueprint.post("/predict/batch")
@limiter.limit(batch_limit, cost=_batch_cost)
@requires(*EVERYBODY)
@takes_pictures(MAX_BATCH)
@answers(Batch)
def predict_batch() -> serializers.Json:
    """Let v2 read many pictures: one result or one error for each, in their order."""
    made = predictor.predict_batch(
        parts().reader, Version.V2, caller().user_id, pictures(most=MAX_BATCH)
    )
    return {"results": [_result(one) for one in made]}


def _result(made: Prediction | PictureError) -> serializers.Json:
    return (
        serializers.prediction(made)
        if isinstance(made, Prediction)
        else error_handlers.describe(made)
    )
