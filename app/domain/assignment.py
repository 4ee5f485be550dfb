"""Which version answers an A/B request; a pure function of ids and a salt."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

AUDIT_RATE = 0.05  # of the requests on which the versions agree

_BUCKETS = 2**64
MAX_ORDER_KEY = 2**63  # what a database's whole numbers hold


class Version(StrEnum):
    """The two slots that a model can serve in."""

    V1 = "v1"
    V2 = "v2"

    @property
    def other(self) -> "Version":
        """The version that was not drawn."""
        return Version.V2 if self is Version.V1 else Version.V1


class AssignmentUnit(StrEnum):
    """What is assigned: each request anew, or each user once and for all."""

    REQUEST = "request"
    USER = "user"


@dataclass(frozen=True)
class Assignment:
    """A drawn version, and how probable it was that this one would be drawn."""

    version: Version
    probability: float


@dataclass(frozen=True)
class TrafficSplit:
    """How A/B traffic is divided: the share that goes to v2, what is assigned, and the salt.

    A salt of its own keeps two experiments from dividing the same users alike. `stage_id` and
    `experiment_id` say whose evidence the answers are, if `model_ids` gave them, v1's first; None
    where no experiment runs.
    """

    weight: float
    unit: AssignmentUnit
    salt: str
    stage_id: int | None = None
    experiment_id: int | None = None
    model_ids: tuple[int, int] = (0, 0)

    def for_models(self, model_ids: tuple[int, int]) -> "TrafficSplit":
        """The same split; outside all evidence where other models answer than were compared."""
        if model_ids == self.model_ids:
            return self
        return replace(self, stage_id=None, experiment_id=None)

    def assign(self, user_id: int, request_id: UUID) -> Assignment:
        """Draw a version: by the user's id where users stick to theirs, else by the request's."""
        key = user_id if self.unit is AssignmentUnit.USER else request_id
        if _hash(self.salt, "draw", key) < self.weight * _BUCKETS:
            return Assignment(Version.V2, self.weight)
        return Assignment(Version.V1, 1 - self.weight)

    def unit_hash(self, user_id: int) -> str:
        """A user's pseudonym within the experiment."""
        return f"{_hash(self.salt, 'unit', user_id):016x}"

    def review_order_key(self, prediction_id: UUID) -> int:
        """Where a prediction stands in the review queue: anywhere, whatever its time or content."""
        return _hash(self.salt, "place", prediction_id) % MAX_ORDER_KEY

    def is_audited(self, prediction_id: UUID) -> bool:
        """Whether an agreement is among those that reviewers look at."""
        return _hash(self.salt, "audit", prediction_id) < AUDIT_RATE * _BUCKETS


def _hash(salt: str, purpose: str, key: object) -> int:
    """A number below 2**64 that the key's hash draws, another one for each purpose."""
    digest = hashlib.sha256(f"{salt}:{purpose}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
