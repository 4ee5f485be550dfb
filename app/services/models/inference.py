"""Run models: one loaded model for each version, shared by all predict endpoints."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from app.domain.assignment import Version
from app.domain.errors import InvalidModel, Unavailable
from app.domain.predictions import DigitImage, ModelOutput, ModelRef, ShadowComparison
from app.imaging.normalization import to_model_input
from app.onnx_runtime import InferenceSession
from app.services.models import guarded_rollout, registry
from app.services.models.digit_classifier import load_validated
from app.services.models.guarded_rollout import ActiveRollout
from app.services.notifications import alerts

MAX_BATCH_SIZE = 32  # images in one run; the memory that a network needs grows with them

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _LoadedModel:
    model: ModelRef
    session: InferenceSession

    def predict(self, digits: Sequence[DigitImage]) -> list[ModelOutput]:
        batches = [digits[at : at + MAX_BATCH_SIZE] for at in range(0, len(digits), MAX_BATCH_SIZE)]
        return [
            ModelOutput(self.model, probabilities)
            for batch in batches
            for probabilities in self.session.run(
                ["probabilities"], {"digits": to_model_input(np.concatenate(batch))}
            )[0]
        ]


class InferenceService:
    """Holds the deployed models; they are loaded at the first use in this process.

    ONNX Runtime's sessions do not survive a fork, so they are created in the process that serves. A
    newly deployed model is loaded and validated while the previous one serves, and then replaces
    it: no request waits for a deployment.
    """

    def __init__(self, context: Callable[[], AbstractContextManager[object]]) -> None:
        """Load models in application contexts that `context` makes."""
        self._context = context
        self._load_lock = threading.Lock()
        self._slots: dict[Version, _LoadedModel] = {}
        self._rollouts: tuple[tuple[ActiveRollout, _LoadedModel], ...] = ()
        self._broken_ids: set[int] = set()

    @property
    def serving(self) -> dict[Version, ModelRef]:
        """Return the models that this process serves; none before their first use."""
        return {version: loaded.model for version, loaded in self._slots.items()}

    def predict(self, version: Version, digit: DigitImage) -> ModelOutput:
        """Predict a digit image uint8 (28, 28). Raises Unavailable if the version has no model."""
        return self.predict_many(version, [digit])[0]

    def predict_many(self, version: Version, digits: Sequence[DigitImage]) -> list[ModelOutput]:
        """Predict digit images in batches, which takes less time than one after the other."""
        if version not in self._slots:
            with self._context():
                self.reload()
        return self._slots[version].predict(digits)

    def shadow_predictions(
        self, outputs: Mapping[Version, ModelOutput], digit: DigitImage
    ) -> list[ShadowComparison]:
        """Compare both versions' outputs with what the predecessors of new models predict."""
        comparisons = []
        for rollout, predecessor in self._rollouts:
            output = outputs[rollout.version]
            if output.model.id == rollout.model_id:
                shadow = predecessor.predict([digit])[0].digit
                other = outputs[rollout.version.other].digit
                comparisons.append(ShadowComparison(rollout.id, output.digit, shadow, other))
        return comparisons

    def reload(self) -> None:
        """Load, for each version, the most recently deployed model that is valid.

        Needs an application context. Raises Unavailable if a version has no valid model.
        """
        with self._load_lock:
            self._slots = {version: self._loaded(version) for version in Version}
            self._rollouts = self._load_rollouts()

    def _loaded(self, version: Version) -> _LoadedModel:
        serving = self._slots.get(version)
        for model_id in registry.deployment_history_ids(version):
            if serving is not None and serving.model.id == model_id:
                return serving
            if model_id not in self._broken_ids and (loaded := self._load(version, model_id)):
                return loaded
        raise Unavailable(f"There is no usable model for {version}")

    def _load_rollouts(self) -> tuple[tuple[ActiveRollout, _LoadedModel], ...]:
        loaded = dict(self._rollouts)
        found = []
        for rollout in guarded_rollout.list_active():
            predecessor = loaded.get(rollout)
            if predecessor is None and rollout.predecessor_id not in self._broken_ids:
                predecessor = self._load(rollout.version, rollout.predecessor_id)
            if predecessor is not None:
                found.append((rollout, predecessor))
        return tuple(found)

    def _load(self, version: Version, model_id: int) -> _LoadedModel | None:
        """Load a model; returns None for an invalid one and alerts the admins once."""
        try:
            artifact = registry.get_artifact(model_id)
            return _LoadedModel(artifact.model, load_validated(artifact.onnx))
        except InvalidModel as error:
            self._broken_ids.add(model_id)
            _log.error("cannot load model %s for %s: %s", model_id, version, error.message)
            alerts.create("invalid model", f"{version}: model unavailable: {error.message}")
            return None
