"""Predictions by version 2 of the model, for one image or a batch."""

from flask import Blueprint

from app.api.http import error_handlers
from app.api.http.authentication import ALL_ROLES, current_user, current_user_or_none, require_roles
from app.api.http.container import container
from app.api.http.contract import request_images, responds
from app.api.http.rate_limits import batch_limit, limiter, v2_limit
from app.api.http.request_parsing import count_files, uploaded_image, uploaded_images
from app.api.schemas import serializers
from app.api.schemas.predictions import BatchPrediction, PredictionV2
from app.domain.assignment import Version
from app.domain.errors import ImageError
from app.domain.predictions import Prediction
from app.services.predictions import predictor

MAX_BATCH = 256

blueprint = Blueprint("v2", __name__, url_prefix="/api/v2")


@blueprint.post("/predict")
@limiter.limit(v2_limit)
@require_roles(*ALL_ROLES)
@request_images()
@responds(PredictionV2)
def predict() -> serializers.Json:
    """Predict the digit of an image with v2."""
    prediction = predictor.predict(
        container().predictor, Version.V2, current_user().user_id, uploaded_image()
    )
    return serializers.prediction(prediction)


def _batch_cost() -> int:
    """Return how much a batch counts: its images; without a valid token, one for the attempt."""
    return max(1, count_files()) if current_user_or_none() else 1


@blueprint.post("/predict/batch")
@limiter.limit(batch_limit, cost=_batch_cost)
@require_roles(*ALL_ROLES)
@request_images(MAX_BATCH)
@responds(BatchPrediction)
def predict_batch() -> serializers.Json:
    """Predict a batch of images with v2: one result or error for each, in order."""
    results = predictor.predict_batch(
        container().predictor,
        Version.V2,
        current_user().user_id,
        uploaded_images(max_images=MAX_BATCH),
    )
    return {"results": [_result_or_error(each) for each in results]}


def _result_or_error(result: Prediction | ImageError) -> serializers.Json:
    return (
        serializers.prediction(result)
        if isinstance(result, Prediction)
        else error_handlers.batch_item(result)
    )
