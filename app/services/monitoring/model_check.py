"""Whether the models in service can read: each is held against digits that are known."""

from dataclasses import dataclass

from app.domain.assignment import Version
from app.domain.predictions import ModelName
from app.imaging.normalization import as_input
from app.services.models import registry
from app.services.models.onnx_runtime import open_checked
from app.services.reviews import attention_checks


@dataclass(frozen=True)
class Examined:
    """How many of the digits that ship with Cifra a model reads right."""

    model: ModelName
    right: int
    read: int


def examine(version: Version) -> Examined | None:
    """Load the model that is in service, and have it read; None where nothing serves the version.

    Raises UnfitModel for an artefact that is torn.
    """
    served = registry.served_ids(version)
    if not served:
        return None
    artefact = registry.artefact(served[0])
    digits, labels = attention_checks.known()
    probabilities = open_checked(artefact.onnx).run(["probabilities"], {"digits": as_input(digits)})
    right = int((probabilities[0].argmax(axis=1) == labels).sum())
    return Examined(artefact.model, right, len(labels))
