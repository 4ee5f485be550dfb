"""The one place where models run: a loaded model for each version, shared by all predict views."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from app.domain.assignment import Version
from app.domain.errors import Unavailable, UnfitModel
from app.domain.predictions import Digit, ModelName, ModelOutput, ShadowComparison
from app.imaging.normalization import as_input
from app.services.models import guarded_rollout, registry
from app.services.models.guarded_rollout import Open
from app.services.models.onnx_runtime import Session, open_checked
from app.services.notifications import alerts

MOST_AT_ONCE = 32  # digits in one run; what a net computes with grows with them

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Loaded:
    model: ModelName
    session: Session

    def read(self, digits: Sequence[Digit]) -> list[ModelOutput]:
        parts = [digits[at : at + MOST_AT_ONCE] for at in range(0, len(digits), MOST_AT_ONCE)]
        return [
            ModelOutput(self.model, probabilities)
            for part in parts
            for probabilities in self.session.run(
                ["probabilities"], {"digits": as_input(np.concatenate(part))}
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
        self._slots: dict[Version, _Loaded] = {}
        self._guards: tuple[tuple[Open, _Loaded], ...] = ()
        self._unfit: set[int] = set()

    @property
    def serving(self) -> dict[Version, ModelName]:
        """The models that this process serves with; none before their first use."""
        return {version: loaded.model for version, loaded in self._slots.items()}

    def read(self, version: Version, digit: Digit) -> ModelOutput:
        """Let a version read a digit uint8 (28, 28). Raises Unavailable where nothing serves it."""
        return self.read_all(version, [digit])[0]

    def read_all(self, version: Version, digits: Sequence[Digit]) -> list[ModelOutput]:
        """Let a version read digits together, which takes less time than one after another."""
        if version not in self._slots:
            with self._context():
                self.follow()
        return self._slots[version].read(digits)

    def guarded(
        self, answers: Mapping[Version, ModelOutput], digit: Digit
    ) -> list[ShadowComparison]:
        """What the predecessors of newly deployed models would have named."""
        cases = []
        for guard, predecessor in self._guards:
            answer = answers[guard.version]
            if answer.model.id == guard.model_id:
                named = predecessor.read([digit])[0].digit
                other = answers[guard.version.other].digit
                cases.append(ShadowComparison(guard.id, answer.digit, named, other))
        return cases

    def follow(self) -> None:
        """Have each version served by the last model that was deployed and can serve.

        Needs an application context; raises Unavailable where a version has none.
        """
        with self._loading:
            self._slots = {version: self._current(version) for version in Version}
            self._guards = self._current_guards()

    def _current(self, version: Version) -> _Loaded:
        serving = self._slots.get(version)
        for model_id in registry.served_ids(version):
            if serving is not None and serving.model.id == model_id:
                return serving
            if model_id not in self._unfit and (loaded := self._load(version, model_id)):
                return loaded
        raise Unavailable(f"No model that could serve {version} is there")

    def _current_guards(self) -> tuple[tuple[Open, _Loaded], ...]:
        standing = dict(self._guards)
        found = []
        for guard in guarded_rollout.open_now():
            predecessor = standing.get(guard)
            if predecessor is None and guard.predecessor_id not in self._unfit:
                predecessor = self._load(guard.version, guard.predecessor_id)
            if predecessor is not None:
                found.append((guard, predecessor))
        return tuple(found)

    def _load(self, version: Version, model_id: int) -> _Loaded | None:
        """A session on a model; None for an unfit one, of which admins are told once."""
        try:
            artefact = registry.artefact(model_id)
            return _Loaded(artefact.model, open_checked(artefact.onnx))
        except UnfitModel as error:
            self._unfit.add(model_id)
            _log.error("model %s cannot serve %s: %s", model_id, version, error.message)
            alerts.tell("invalid model", f"{version} does without a model: {error.message}")
            return None
