"""The routes: each view parses the request, calls one service and returns its result."""

from app.api.views import (
    ab,
    auth,
    docs,
    experiments,
    feedback,
    health,
    me,
    metrics,
    models,
    predictions,
    report,
    retrain,
    reviews,
    users,
    v1,
    v2,
)

BLUEPRINTS = (
    v1.blueprint,
    v2.blueprint,
    ab.blueprint,
    auth.blueprint,
    me.blueprint,
    feedback.blueprint,
    predictions.blueprint,
    report.blueprint,
    experiments.blueprint,
    reviews.blueprint,
    retrain.blueprint,
    models.blueprint,
    users.blueprint,
    health.blueprint,
    metrics.blueprint,
    docs.blueprint,
)
