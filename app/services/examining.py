"""Whether the models in service can read: each is held against digits that are known."""

from dataclasses import dataclass

from app.domain.assignment import Version
from app.domain.readings import ModelName
from app.imaging.digits import as_input
from app.services import models, probing
from app.services.artefacts import open_checked


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
    served = models.served_ids(version)
    if not served:
        return None
    artefact = models.artefact(served[0])
    digits, labels = probing.known()
    probabilities = open_checked(artefact.onnx).run(["probabilities"], {"digits": as_input(digits)})
    right = int((probabilities[0].argmax(axis=1) == labels).sum())
    return Examined(artefact.model, right, len(labels))
