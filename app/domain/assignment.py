"""Which version answers an A/B request; a pure function of ids and a salt."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

_BUCKETS = 2**64


class Version(StrEnum):
    """The two slots that a model can serve in."""

    V1 = "v1"
    V2 = "v2"

    @property
    def other(self) -> "Version":
        """The version that was not drawn."""
        return Version.V2 if self is Version.V1 else Version.V1


class Unit(StrEnum):
    """What is assigned: each request anew, or each user once and for all."""

    REQUEST = "request"
    USER = "user"


@dataclass(frozen=True)
class Assignment:
    """A drawn version, and how probable it was that this one would be drawn."""

    version: Version
    probability: float


@dataclass(frozen=True)
class Split:
    """How A/B traffic is divided: the share that goes to v2, what is assigned, and the salt.

    A salt of its own keeps two experiments from dividing the same users alike.
    """

    weight: float
    unit: Unit
    salt: str

    def draw(self, user_id: int, request_id: UUID) -> Assignment:
        """Draw a version: by the user's id where users stick to theirs, else by the request's."""
        key = user_id if self.unit is Unit.USER else request_id
        digest = hashlib.sha256(f"{self.salt}:{key}".encode()).digest()
        if int.from_bytes(digest[:8], "big") < self.weight * _BUCKETS:
            return Assignment(Version.V2, self.weight)
        return Assignment(Version.V1, 1 - self.weight)
