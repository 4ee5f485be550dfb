"""Probes: pictures with known digits that reviewers label among the others, unable to tell.

They are digits of the validation set, which nothing trains on; what a reviewer makes of them says
whether their labels are learned from.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app.domain.predictions import Digit
from app.domain.reviewer_reliability import PROBE_SHARE, is_reliable
from app.store.engine.db import reading
from app.store.queries import attention_checks
from app.store.tables import AttentionCheck

_JITTER_MS = 60_000

PROBES = Path(__file__).parents[3] / "models" / "data" / "probes.npz"


@dataclass(frozen=True)
class Reliability:
    """How a reviewer read probes, and whether their labels are learned from."""

    reviewer_id: int
    answered: int
    correct: int
    is_reliable: bool


def due(
    session: Session, reviewer_id: int, until: datetime, beside: UUID
) -> tuple[AttentionCheck, Digit] | None:
    """A probe with its picture, if this reviewer has one before them or it is time for another.

    It looks as old as the prediction beside it, which the reviewer would see otherwise.
    """
    digits, labels = known()
    probe = attention_checks.held(session, reviewer_id, datetime.now(UTC))
    if probe is None:
        if secrets.randbelow(1_000) >= 1_000 * PROBE_SHARE:
            return None
        number = secrets.randbelow(len(labels))
        probe = AttentionCheck(
            id=_as_old_as(beside),
            reviewer_id=reviewer_id,
            image_index=number,
            true_digit=int(labels[number]),
        )
        attention_checks.add(session, probe)
    probe.leased_until = until
    return probe, digits[probe.image_index]


def reliabilities() -> list[Reliability]:
    """Every reviewer who has read a probe."""
    with reading() as session:
        found = attention_checks.results(session)
    return [
        Reliability(reviewer_id, read, right, is_reliable(right, read))
        for reviewer_id, (right, read) in sorted(found.items())
    ]


def unreliable(session: Session) -> set[int]:
    """The reviewers whose labels are not learned from."""
    return {
        reviewer_id
        for reviewer_id, (right, read) in attention_checks.results(session).items()
        if not is_reliable(right, read)
    }


def _as_old_as(prediction_id: UUID) -> UUID:
    """An id of a time shortly before another id's: the first 48 bits are milliseconds."""
    milliseconds = (prediction_id.int >> 80) - secrets.randbelow(_JITTER_MS)
    return UUID(int=milliseconds << 80 | uuid7().int & (1 << 80) - 1)


@cache
def known() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Digits uint8 (n, 28, 28) as imaging gives them, and what they show int64 (n,)."""
    with np.load(PROBES) as archive:
        return archive["digits"], archive["labels"]
