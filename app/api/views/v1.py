"""Predictions by version 1 of the model."""

from flask import Blueprint

from app.api.http.authentication import ALL_ROLES, current_user, require_roles
from app.api.http.container import container
from app.api.http.contract import request_images, responds
from app.api.http.rate_limits import limiter, v1_limit
from app.api.http.request_parsing import uploaded_image
from app.api.schemas import serializers
from app.api.schemas.predictions import PredictionV1
from app.domain.assignment import Version
from app.services.predictions import predictor

blueprint = Blueprint("v1", __name__, url_prefix="/api/v1")


@blueprint.post("/predict")
@limiter.limit(v1_limit)
@require_roles(*ALL_ROLES)
@request_images()
@responds(PredictionV1)
def predict() -> serializers.Json:
    """Predict the digit of an image with v1."""
    prediction = predictor.predict(
        container().predictor, Version.V1, current_user().user_id, uploaded_image()
    )
    return serializers.prediction(prediction)
