"""The one place where models run: a loaded model for each version, shared by all predict views."""

import threading
from dataclasses import dataclass

from app.domain.assignment import Version
from app.domain.readings import Digit, ModelName, Reading
from app.imaging.digits import as_input
from app.services import models
from app.services.artefacts import Session, open_session


@dataclass(frozen=True)
class _Loaded:
    model: ModelName
    session: Session


class InferenceService:
    """Holds the models in service; made empty, loads them at the first use in this process.

    ONNX Runtime's sessions do not survive a fork, so they are made in the process that serves.
    """

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._slots: dict[Version, _Loaded] = {}

    def read(self, version: Version, digit: Digit) -> Reading:
        """Let a version read a digit uint8 (28, 28). Raises Unavailable where nothing serves it."""
        if version not in self._slots:
            self.load()
        loaded = self._slots[version]
        found = loaded.session.run(["probabilities"], {"digits": as_input(digit)})[0]
        return Reading(loaded.model, found[0])

    def load(self) -> None:
        """Load what is not loaded yet. Needs an application context; raises Unavailable."""
        with self._loading:
            missing = [version for version in Version if version not in self._slots]
            self._slots = self._slots | {version: _load(version) for version in missing}


def _load(version: Version) -> _Loaded:
    artefact = models.serving(version)
    return _Loaded(artefact.model, open_session(artefact.onnx))
