"""Assignment of A/B requests to versions: a pure function of ids and a salt."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

AUDIT_RATE = 0.05  # of the requests on which the versions agree

_BUCKETS = 2**64
MAX_ORDER_KEY = 2**63  # exclusive: order keys must fit a signed 64-bit database integer


class Version(StrEnum):
    """One of the two slots that serve traffic."""

    V1 = "v1"
    V2 = "v2"

    @property
    def other(self) -> "Version":
        """Return the version that was not assigned."""
        return Version.V2 if self is Version.V1 else Version.V1


class AssignmentUnit(StrEnum):
    """The randomization unit: each request on its own, or each user for a whole stage."""

    REQUEST = "request"
    USER = "user"


@dataclass(frozen=True)
class Assignment:
    """An assigned version, and the probability with which it was assigned."""

    version: Version
    probability: float


@dataclass(frozen=True)
class TrafficSplit:
    """How A/B traffic is split: v2's weight, the randomization unit and the salt.

    Each experiment has its own salt, so that two experiments do not split the same users alike.
    Predictions count as evidence for `stage_id` and `experiment_id` if the models `model_ids` (v1's
    first) made them; both are None while no experiment runs.
    """

    weight: float
    unit: AssignmentUnit
    salt: str
    stage_id: int | None = None
    experiment_id: int | None = None
    model_ids: tuple[int, int] = (0, 0)

    def for_models(self, model_ids: tuple[int, int]) -> "TrafficSplit":
        """Return the same split, without an experiment if it compares other models than these."""
        if model_ids == self.model_ids:
            return self
        return replace(self, stage_id=None, experiment_id=None)

    def assign(self, user_id: int, request_id: UUID) -> Assignment:
        """Assign a version by a hash of the user's id or the request's, depending on the unit."""
        key = user_id if self.unit is AssignmentUnit.USER else request_id
        if _hash(self.salt, "draw", key) < self.weight * _BUCKETS:
            return Assignment(Version.V2, self.weight)
        return Assignment(Version.V1, 1 - self.weight)

    def unit_hash(self, user_id: int) -> str:
        """Return the user's pseudonym within the experiment: 16 hexadecimal digits."""
        return f"{_hash(self.salt, 'unit', user_id):016x}"

    def review_order_key(self, prediction_id: UUID) -> int:
        """Return a prediction's random position in the review queue, 0 <= key < MAX_ORDER_KEY."""
        return _hash(self.salt, "place", prediction_id) % MAX_ORDER_KEY

    def is_audited(self, prediction_id: UUID) -> bool:
        """Return whether a prediction on which the versions agree is in the audit sample."""
        return _hash(self.salt, "audit", prediction_id) < AUDIT_RATE * _BUCKETS


def _hash(salt: str, purpose: str, key: object) -> int:
    """Return a hash of the key below 2**64, independent for each purpose.

    The purposes are hashed: changing one would reassign users and reorder the review queue.
    """
    digest = hashlib.sha256(f"{salt}:{purpose}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
