"""Digit images, model outputs and predictions."""

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
"""A normalized digit as the models expect it, uint8 (28, 28): light ink on black."""


def image_hash(image: bytes) -> str:
    """Return a hash of a digit image's 784 bytes, to find resubmitted images."""
    return hashlib.sha256(image).hexdigest()[:32]


@dataclass(frozen=True)
class ModelRef:
    """A trained model by its id, its name and the SHA-256 of its artifact."""

    id: int
    name: str
    sha256: str

    @property
    def short_hash(self) -> str:
        """Return the first hexadecimal digits of the checksum, enough to tell models apart."""
        return self.sha256[:SHORT_HASH_LENGTH]


@dataclass(frozen=True)
class ModelOutput:
    """What a model predicted: ten class probabilities, float32 (10,)."""

    model: ModelRef
    probabilities: npt.NDArray[np.float32]

    @cached_property
    def normalized_probabilities(self) -> list[float]:
        """Return the ten probabilities in double precision, summing to 1."""
        exact: list[float] = self.probabilities.tolist()
        total = fsum(exact)
        return [probability / total for probability in exact]

    @cached_property
    def digit(self) -> int:
        """Return the most probable digit."""
        return int(self.probabilities.argmax())

    @property
    def probability(self) -> float:
        """Return the probability of that digit."""
        return self.normalized_probabilities[self.digit]


@dataclass(frozen=True)
class ShadowComparison:
    """The digits of a guarded model, of its predecessor and of the other version for one image."""

    rollout_id: int
    digit: int
    predecessor_digit: int
    other_digit: int

    @property
    def disagrees(self) -> bool:
        """Return whether the guarded model and its predecessor predicted different digits."""
        return self.digit != self.predecessor_digit


@dataclass(frozen=True)
class Prediction:
    """The version and output that served a request; for A/B also the other version's output.

    `assignment_probability` is the probability with which the version was assigned, `stage_id` the
    experiment stage that it belongs to; both are None if the client chose the version, `stage_id`
    also if no experiment was running. `is_doubtful` means that the image may show no digit, or
    several; it is not stored.
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
    is_doubtful: bool = False

    @property
    def disagrees(self) -> bool:
        """Return whether the other version predicted a different digit."""
        return self.shadow is not None and self.shadow.digit != self.output.digit
