"""A digit, what a model says of it, and a prediction: the reading that answered."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import fsum
from uuid import UUID

import numpy as np
import numpy.typing as npt

from app.domain.assignment import Version

IMAGE_SIZE = 28
SHORT_HASH_LENGTH = 12

DigitImage = npt.NDArray[np.uint8]
"""One digit as the models know it, uint8 (28, 28): light ink on a dark ground."""


def image_hash(image: bytes) -> str:
    """A name for a digit's 784 bytes, by which the same picture is known again."""
    return hashlib.sha256(image).hexdigest()[:32]


@dataclass(frozen=True)
class ModelRef:
    """A trained model by its row, its name and the SHA-256 of its artefact."""

    id: int
    name: str
    sha256: str

    @property
    def short_hash(self) -> str:
        """The first hexadecimal digits of the checksum, enough to tell models apart."""
        return self.sha256[:SHORT_HASH_LENGTH]


@dataclass(frozen=True)
class ModelOutput:
    """A model's answer: ten probabilities, float32 (10,), by digit."""

    model: ModelRef
    probabilities: npt.NDArray[np.float32]

    @cached_property
    def normalized_probabilities(self) -> list[float]:
        """The ten probabilities in double precision, summing to 1."""
        exact: list[float] = self.probabilities.tolist()
        total = fsum(exact)
        return [share / total for share in exact]

    @cached_property
    def digit(self) -> int:
        """The digit that the model names."""
        return int(self.probabilities.argmax())

    @property
    def probability(self) -> float:
        """How sure the model is of it."""
        return self.normalized_probabilities[self.digit]


@dataclass(frozen=True)
class ShadowComparison:
    """What a guarded model named, what its predecessor would have, and what the other version."""

    rollout_id: int
    digit: int
    predecessor_digit: int
    other_digit: int

    @property
    def disagrees(self) -> bool:
        """Whether they named different digits."""
        return self.digit != self.predecessor_digit


@dataclass(frozen=True)
class Prediction:
    """An answer: the version and reading that served, for A/B also what the other would have said.

    `assignment_probability` is the probability with which the version was drawn, `stage_id` the
    stage of the experiment that it is evidence in; None where the client chose, or none ran.
    """

    id: UUID
    user_id: int
    created_at: datetime
    version: Version
    output: ModelOutput
    latency_us: int | None = None
    stage_id: int | None = None
    assignment_probability: float | None = None
    shadow: ModelOutput | None = None

    @property
    def disagrees(self) -> bool:
        """Whether the other version would have named another digit."""
        return self.shadow is not None and self.shadow.digit != self.output.digit
