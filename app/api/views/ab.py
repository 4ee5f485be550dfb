"""Predictions by the version that the A/B test assigns."""

from flask import Blueprint

from app.api.http.authentication import ALL_ROLES, current_user, require_roles
from app.api.http.container import container
from app.api.http.contract import error_responses, request_images, responds
from app.api.http.request_parsing import uploaded_image
from app.api.schemas import serializers
from app.api.schemas.predictions import ABPrediction
from app.domain.errors import Unavailable
from app.services.predictions import predictor

blueprint = Blueprint("ab", __name__, url_prefix="/api/ab")


@blueprint.post("/predict")
@require_roles(*ALL_ROLES)
@request_images()
@responds(ABPrediction)
@error_responses(Unavailable)
def predict() -> serializers.Json:
    """Predict the digit of an image with the version that the A/B test assigns."""
    services = container()
    prediction = predictor.predict_split(
        services.predictor, services.split_cache.current(), current_user().user_id, uploaded_image()
    )
    return serializers.ab_prediction(prediction)
