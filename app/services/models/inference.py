"""The one place where models run: a loaded model for each version, shared by all predict views."""

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
from app.services.models import guarded_rollout, registry
from app.services.models.guarded_rollout import ActiveRollout
from app.services.models.onnx_runtime import InferenceSession, load_validated
from app.services.notifications import alerts

MAX_BATCH_SIZE = 32  # digits in one run; what a net computes with grows with them

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _LoadedModel:
    model: ModelRef
    session: InferenceSession

    def predict(self, digits: Sequence[DigitImage]) -> list[ModelOutput]:
        parts = [digits[at : at + MAX_BATCH_SIZE] for at in range(0, len(digits), MAX_BATCH_SIZE)]
        return [
            ModelOutput(self.model, probabilities)
            for part in parts
            for probabilities in self.session.run(
                ["probabilities"], {"digits": to_model_input(np.concatenate(part))}
            )[0]
        ]


class InferenceService:
    """Holds the models in service; made empty, loads them at the first use in this process.

    ONNX Runtime's sessions do not survive a fork, so they are made in the process that serves. A
    newly deployed model is loaded and checked beside the one that serves, which then steps back.
    """

    def __init__(self, context: Callable[[], AbstractContextManager[object]]) -> None:
        """Look models up in an application context of its own."""
        self._context = context
        self._loading = threading.Lock()
        self._slots: dict[Version, _LoadedModel] = {}
        self._rollouts: tuple[tuple[ActiveRollout, _LoadedModel], ...] = ()
        self._broken_ids: set[int] = set()

    @property
    def serving(self) -> dict[Version, ModelRef]:
        """The models that this process serves with; none before their first use."""
        return {version: loaded.model for version, loaded in self._slots.items()}

    def predict(self, version: Version, digit: DigitImage) -> ModelOutput:
        """Let a version read a digit uint8 (28, 28). Raises Unavailable where nothing serves it."""
        return self.predict_many(version, [digit])[0]

    def predict_many(self, version: Version, digits: Sequence[DigitImage]) -> list[ModelOutput]:
        """Let a version read digits together, which takes less time than one after another."""
        if version not in self._slots:
            with self._context():
                self.reload()
        return self._slots[version].predict(digits)

    def shadow_predictions(
        self, answers: Mapping[Version, ModelOutput], digit: DigitImage
    ) -> list[ShadowComparison]:
        """What the predecessors of newly deployed models would have named."""
        cases = []
        for rollout, predecessor in self._rollouts:
            answer = answers[rollout.version]
            if answer.model.id == rollout.model_id:
                named = predecessor.predict([digit])[0].digit
                other = answers[rollout.version.other].digit
                cases.append(ShadowComparison(rollout.id, answer.digit, named, other))
        return cases

    def reload(self) -> None:
        """Have each version served by the last model that was deployed and can serve.

        Needs an application context; raises Unavailable where a version has none.
        """
        with self._loading:
            self._slots = {version: self._loaded(version) for version in Version}
            self._rollouts = self._load_rollouts()

    def _loaded(self, version: Version) -> _LoadedModel:
        serving = self._slots.get(version)
        for model_id in registry.deployment_history_ids(version):
            if serving is not None and serving.model.id == model_id:
                return serving
            if model_id not in self._broken_ids and (loaded := self._load(version, model_id)):
                return loaded
        raise Unavailable(f"No model that could serve {version} is there")

    def _load_rollouts(self) -> tuple[tuple[ActiveRollout, _LoadedModel], ...]:
        standing = dict(self._rollouts)
        found = []
        for rollout in guarded_rollout.list_active():
            predecessor = standing.get(rollout)
            if predecessor is None and rollout.predecessor_id not in self._broken_ids:
                predecessor = self._load(rollout.version, rollout.predecessor_id)
            if predecessor is not None:
                found.append((rollout, predecessor))
        return tuple(found)

    def _load(self, version: Version, model_id: int) -> _LoadedModel | None:
        """A session on a model; None for an unfit one, of which admins are told once."""
        try:
            artifact = registry.artifact(model_id)
            return _LoadedModel(artifact.model, load_validated(artifact.onnx))
        except InvalidModel as error:
            self._broken_ids.add(model_id)
            _log.error("model %s cannot serve %s: %s", model_id, version, error.message)
            alerts.create("invalid model", f"{version} does without a model: {error.message}")
            return None
