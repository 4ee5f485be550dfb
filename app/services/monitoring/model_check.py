"""Check that the deployed models work: test each on images with known digits."""

from dataclasses import dataclass

from app.domain.assignment import Version
from app.domain.errors import InvalidModel
from app.domain.predictions import ModelRef
from app.imaging.normalization import to_model_input
from app.services.models import registry
from app.services.models.digit_classifier import load_validated
from app.services.reviews import attention_checks


@dataclass(frozen=True)
class ModelCheck:
    """How many of the bundled attention-check images a model predicts correctly."""

    model: ModelRef
    correct: int
    total: int


def check(version: Version) -> ModelCheck | None:
    """Load a version's deployed model and test it; returns None if the version has no model.

    Raises InvalidModel for a damaged artifact.
    """
    model_ids = registry.deployment_history_ids(version)
    if not model_ids:
        return None
    artifact = registry.get_artifact(model_ids[0])
    digits, labels = attention_checks.load_check_images()
    session = load_validated(artifact.onnx)
    probabilities = session.run(["probabilities"], {"digits": to_model_input(digits)})[0]
    correct = int((probabilities.argmax(axis=1) == labels).sum())
    return ModelCheck(artifact.model, correct, len(labels))


def find_fallback(version: Version) -> ModelRef | None:
    """Return the model that serves a version while its deployed model is damaged, if any."""
    for model_id in registry.deployment_history_ids(version)[1:]:
        try:
            artifact = registry.get_artifact(model_id)
            load_validated(artifact.onnx)
        except InvalidModel:
            continue
        return artifact.model
    return None
