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

from app.domain.predictions import DigitImage
from app.domain.reviewer_reliability import ATTENTION_CHECK_RATE, is_reliable
from app.store.engine.db import read_transaction
from app.store.queries import attention_checks
from app.store.tables import AttentionCheck

_MAX_AGE_DIFFERENCE_MS = 60_000

IMAGES_FILE = Path(__file__).parents[3] / "models" / "data" / "attention_checks.npz"


@dataclass(frozen=True)
class ReviewerReliability:
    """How a reviewer read probes, and whether their labels are learned from."""

    reviewer_id: int
    answered: int
    correct: int
    is_reliable: bool


def maybe_next(
    session: Session, reviewer_id: int, until: datetime, beside: UUID
) -> tuple[AttentionCheck, DigitImage] | None:
    """A probe with its picture, if this reviewer has one before them or it is time for another.

    It looks as old as the prediction beside it, which the reviewer would see otherwise.
    """
    digits, labels = load_check_images()
    probe = attention_checks.get_pending(session, reviewer_id, datetime.now(UTC))
    if probe is None:
        if secrets.randbelow(1_000) >= 1_000 * ATTENTION_CHECK_RATE:
            return None
        number = secrets.randbelow(len(labels))
        probe = AttentionCheck(
            id=_id_slightly_before(beside),
            reviewer_id=reviewer_id,
            image_index=number,
            true_digit=int(labels[number]),
        )
        attention_checks.add(session, probe)
    probe.leased_until = until
    return probe, digits[probe.image_index]


def list_reliabilities() -> list[ReviewerReliability]:
    """Every reviewer who has read a probe."""
    with read_transaction() as session:
        found = attention_checks.results_by_reviewer(session)
    return [
        ReviewerReliability(reviewer_id, read, right, is_reliable(right, read))
        for reviewer_id, (right, read) in sorted(found.items())
    ]


def unreliable_reviewer_ids(session: Session) -> set[int]:
    """The reviewers whose labels are not learned from."""
    return {
        reviewer_id
        for reviewer_id, (right, read) in attention_checks.results_by_reviewer(session).items()
        if not is_reliable(right, read)
    }


def _id_slightly_before(prediction_id: UUID) -> UUID:
    """An id of a time shortly before another id's: the first 48 bits are milliseconds."""
    milliseconds = (prediction_id.int >> 80) - secrets.randbelow(_MAX_AGE_DIFFERENCE_MS)
    return UUID(int=milliseconds << 80 | uuid7().int & (1 << 80) - 1)


@cache
def load_check_images() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Digits uint8 (n, 28, 28) as imaging gives them, and what they show int64 (n,)."""
    with np.load(IMAGES_FILE) as archive:
        return archive["digits"], archive["labels"]
