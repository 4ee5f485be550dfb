"""Attention checks: images with known digits, shown among the others to measure reviewers.

They are digits of the validation set, which no model is trained on. Reviewers cannot tell them from
other images. Labels of a reviewer who fails too many are not used for training.
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
    """A reviewer's attention checks, and whether their labels are used for training."""

    reviewer_id: int
    answered: int
    correct: int
    is_reliable: bool


def maybe_next(
    session: Session, reviewer_id: int, leased_until: datetime, replaced_id: UUID
) -> tuple[AttentionCheck, DigitImage] | None:
    """Return the reviewer's pending attention check or, at random, a new one with its image.

    None means that `replaced_id`, a prediction, is to be shown. A new check gets an id that looks
    as old as `replaced_id`, so that its age does not give it away.
    """
    digits, labels = load_check_images()
    check = attention_checks.get_pending(session, reviewer_id, datetime.now(UTC))
    if check is None:
        if secrets.randbelow(1_000) >= 1_000 * ATTENTION_CHECK_RATE:
            return None
        image_index = secrets.randbelow(len(labels))
        check = AttentionCheck(
            id=_id_slightly_before(replaced_id),
            reviewer_id=reviewer_id,
            image_index=image_index,
            true_digit=int(labels[image_index]),
        )
        attention_checks.add(session, check)
    check.leased_until = leased_until
    return check, digits[check.image_index]


def list_reliabilities() -> list[ReviewerReliability]:
    """Return the reliability of every reviewer who has answered an attention check."""
    with read_transaction() as session:
        found = attention_checks.results_by_reviewer(session)
    return [
        ReviewerReliability(reviewer_id, answered, correct, is_reliable(correct, answered))
        for reviewer_id, (correct, answered) in sorted(found.items())
    ]


def unreliable_reviewer_ids(session: Session) -> set[int]:
    """Return the reviewers whose labels are not used for training."""
    return {
        reviewer_id
        for reviewer_id, (correct, answered) in attention_checks.results_by_reviewer(
            session
        ).items()
        if not is_reliable(correct, answered)
    }


def _id_slightly_before(prediction_id: UUID) -> UUID:
    """Return a UUIDv7 from up to a minute before another: the first 48 bits are milliseconds."""
    milliseconds = (prediction_id.int >> 80) - secrets.randbelow(_MAX_AGE_DIFFERENCE_MS)
    return UUID(int=milliseconds << 80 | uuid7().int & (1 << 80) - 1)


@cache
def load_check_images() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return digit images uint8 (n, 28, 28) and their true digits int64 (n,)."""
    with np.load(IMAGES_FILE) as archive:
        return archive["digits"], archive["labels"]
