"""Queries on the review queue and on what reviewers said."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Dialect, and_, case, func, or_, select
from sqlalchemy.orm import Session

from app.domain.assignment import Version
from app.domain.confidence import bucket_of
from app.domain.review_labels import ERASED, NOT_A_DIGIT
from app.store.engine.batch_writes import BatchTransaction, CompiledStatement, insert_ignore
from app.store.engine.db import insert_for
from app.store.queries import counters
from app.store.queries.counters import ConfidenceCount, LabelCount
from app.store.tables import Feedback, Prediction, Review, ReviewItem

VersionProbabilities = dict[Version, npt.NDArray[np.float32]]
"""Ten probabilities (10,) by version."""


@dataclass(frozen=True)
class QueueSize:
    """How many pictures of each part of the queue wait for a label."""

    disagreements: int
    audits: int
    user_flagged: int

    @property
    def total(self) -> int:
        """Of all parts."""
        return self.disagreements + self.audits + self.user_flagged


def enqueue(session: Session, **item: Any) -> None:
    """Put a picture into the queue, by the columns of ReviewItem, unless it has been there before.

    The same picture again, sent by mistake or on purpose, would be one toss counted twice.
    """
    session.execute(insert_for(session, ReviewItem).values(**item).on_conflict_do_nothing())


def enqueue_batch(group: BatchTransaction, items: Iterable[dict[str, Any]]) -> None:
    """The same in a group commit, for pictures that nobody holds; in the order of their hashes."""
    queue_size = {"is_open": True, "leased_by": None, "leased_until": None}
    ordered = sorted(items, key=lambda item: (item["experiment_id"] or 0, item["image_hash"]))
    _enqueueing(group.dialect).run(group, [item | queue_size for item in ordered])


@cache
def _enqueueing(dialect: Dialect) -> CompiledStatement:
    return insert_ignore(ReviewItem, dialect)


def withdraw_stale(session: Session, prediction_id: UUID, running_id: int | None) -> None:
    """Take a picture that nobody labelled out of the queue of an experiment that has ended."""
    item = lock_item(session, prediction_id)
    if item is not None and item.is_open and item.experiment_id not in (None, running_id):
        session.delete(item)
        session.flush()


def next_item(
    session: Session, experiment_id: int | None, reviewer_id: int, now: datetime
) -> ReviewItem | None:
    """The picture that this reviewer is to see next: disagreements first, each part by place.

    Of an experiment, or of none: what users flagged.

    One that they hold already comes first; none that they skipped, that another one holds, or that
    they sent themselves: they were told an answer.
    """
    query = (
        select(ReviewItem)
        .where(
            ReviewItem.experiment_id == experiment_id,
            ReviewItem.is_open,
            _is_free(reviewer_id, now),
            ReviewItem.prediction_id.not_in(
                select(Prediction.id).where(Prediction.user_id == reviewer_id)
            ),
            ReviewItem.prediction_id.not_in(
                select(Review.prediction_id).where(
                    Review.reviewer_id == reviewer_id,
                    Review.experiment_id == experiment_id,
                )
            ),
        )
        .order_by(ReviewItem.is_audit, ReviewItem.order_key)
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return session.scalar(query.where(ReviewItem.leased_by == reviewer_id)) or session.scalar(query)


def lock_item(session: Session, prediction_id: UUID) -> ReviewItem | None:
    """A picture that waits; nobody else changes it before this unit ends."""
    return session.get(ReviewItem, prediction_id, with_for_update={"key_share": True})


def withdraw_erased(session: Session, user_id: int, prediction_id: UUID | None = None) -> None:
    """Take a user's pictures, or one of them, out of the queue; what nobody said yet is noted.

    That they were erased is counted, because who erases chooses which pictures are left. What names
    the picture stays in its experiment: sent again, it would be one toss counted twice.
    """
    query = select(ReviewItem).join(Prediction, ReviewItem.prediction_id == Prediction.id)
    owned = query.where(Prediction.user_id == user_id).with_for_update(of=ReviewItem)
    if prediction_id is not None:
        owned = owned.where(ReviewItem.prediction_id == prediction_id)
    for item in session.scalars(owned).all():
        if item.experiment_id is None:
            session.delete(item)
            continue
        if item.is_open:
            add(session, make_review(item, ERASED, None))
        item.is_open, item.leased_by, item.leased_until = False, None, None


def withdraw_expired(session: Session, prediction_id: UUID) -> None:
    """Take a picture that has become too old out of the queue.

    Nobody chose it, so it is not counted as erased: it leaves as if it had never been drawn.
    """
    item = lock_item(session, prediction_id)
    if item is not None and (item.is_open or item.experiment_id is None):
        session.delete(item)
        session.flush()


def make_review(item: ReviewItem, truth: int, reviewer_id: int | None) -> Review:
    """What is said now of a picture in the queue."""
    return Review(
        experiment_id=item.experiment_id,
        prediction_id=item.prediction_id,
        reviewer_id=reviewer_id,
        is_audit=item.is_audit,
        label=truth,
        created_at=datetime.now(UTC),
    )


def queue_size(session: Session, experiment_id: int) -> QueueSize:
    """How long the queue is: an experiment's parts, and what users flagged."""
    flagged = ReviewItem.experiment_id.is_(None)
    counts = select(
        func.count(case((and_(~flagged, ~ReviewItem.is_audit), 1))),
        func.count(case((and_(~flagged, ReviewItem.is_audit), 1))),
        func.count(case((flagged, 1))),
    )
    is_waiting = or_(ReviewItem.experiment_id == experiment_id, flagged)
    return QueueSize(*session.execute(counts.where(ReviewItem.is_open, is_waiting)).one())


def count_flagged_by(session: Session, user_id: int) -> int:
    """How many pictures that a user flagged wait."""
    query = select(func.count()).select_from(ReviewItem).join(Prediction)
    query = query.join(Feedback, Feedback.prediction_id == Prediction.id)
    return session.scalars(
        query.where(
            ReviewItem.experiment_id.is_(None), ReviewItem.is_open, Prediction.user_id == user_id
        )
    ).one()


def add(session: Session, review: Review) -> None:
    """Add what was said of a picture, and count it where it is evidence."""
    session.add(review)
    _count(session, review, 1)


def lock_last_review(session: Session, reviewer_id: int) -> Review | None:
    """What a reviewer said last."""
    query = select(Review).where(Review.reviewer_id == reviewer_id)
    return session.scalar(query.order_by(Review.id.desc()).limit(1).with_for_update())


def list_recent(session: Session, limit: int) -> list[tuple[int, int, UUID, int]]:
    """The last words on pictures with an owner: review, owner, prediction and truth."""
    query = (
        select(Review.id, Prediction.user_id, Review.prediction_id, Review.label)
        .join(Prediction, Prediction.id == Review.prediction_id)
        .where(Review.label <= NOT_A_DIGIT, Prediction.user_id.is_not(None))
        .order_by(Review.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1] or 0, row[2], row[3]) for row in session.execute(query)]


def delete(session: Session, review: Review) -> None:
    """Take back what was said."""
    session.delete(review)
    _count(session, review, -1)


def get_probabilities(session: Session, prediction_id: UUID) -> VersionProbabilities:
    """What both versions said of a picture."""
    stored = session.get_one(Prediction, prediction_id)
    version = Version(stored.version)
    said = {version: stored.probabilities, version.other: stored.shadow_probabilities}
    return {
        each: np.frombuffer(packed, dtype="<f4").astype(np.float32)
        for each, packed in said.items()
        if packed is not None
    }


def _count(session: Session, review: Review, by: int) -> None:
    if review.experiment_id is None:
        return
    said = get_probabilities(session, review.prediction_id)
    digits = {version: int(said[version].argmax()) for version in Version}
    part = {"experiment_id": review.experiment_id, "is_audit": review.is_audit}
    named = {"v1_digit": digits[Version.V1], "v2_digit": digits[Version.V2]}
    counters.increment(session, LabelCount, part | named | {"label": review.label}, labels=by)
    if review.label > NOT_A_DIGIT:
        return
    for version in Version:
        sure = float(said[version].max())
        correct = by * (digits[version] == review.label)
        bucket = part | {"version": version, "bucket": bucket_of(sure)}
        millionths = by * round(sure * 1_000_000)
        counters.increment(
            session,
            ConfidenceCount,
            bucket,
            labels=by,
            correct=correct,
            confidence_sum_millionths=millionths,
        )


def _is_free(reviewer_id: int, now: datetime) -> ColumnElement[bool]:
    return or_(
        ReviewItem.leased_until.is_(None),
        ReviewItem.leased_until < now,
        ReviewItem.leased_by == reviewer_id,
    )
