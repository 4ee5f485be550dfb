"""Whether the models in service can read: each is held against digits that are known."""

from dataclasses import dataclass

from app.domain.assignment import Version
from app.domain.predictions import ModelRef
from app.imaging.normalization import to_model_input
from app.services.models import registry
from app.services.models.onnx_runtime import load_validated
from app.services.reviews import attention_checks


@dataclass(frozen=True)
class ModelCheck:
    """How many of the digits that ship with Cifra a model reads right."""

    model: ModelRef
    correct: int
    total: int


def check(version: Version) -> ModelCheck | None:
    """Load the model that is in service, and have it read; None where nothing serves the version.

    Raises UnfitModel for an artefact that is torn.
    """
    served = registry.deployment_history_ids(version)
    if not served:
        return None
    artefact = registry.get_artifact(served[0])
    digits, labels = attention_checks.load_check_images()
    probabilities = load_validated(artefact.onnx).run(
        ["probabilities"], {"digits": to_model_input(digits)}
    )
    right = int((probabilities[0].argmax(axis=1) == labels).sum())
    return ModelCheck(artefact.model, right, len(labels))
