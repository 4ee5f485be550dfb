"""Queries on the review queue and on the reviews."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Dialect, and_, case, func, or_, select
from sqlalchemy.orm import Session

from app.domain.assignment import Version
from app.domain.clock_skew import latest_end
from app.domain.confidence import bucket_of
from app.domain.review_labels import ERASED, NOT_A_DIGIT
from app.store.engine.batch_writes import BatchTransaction, CompiledStatement, insert_ignore
from app.store.engine.db import insert_for
from app.store.queries import counters, experiments
from app.store.tables import (
    ConfidenceCount,
    Feedback,
    LabelCount,
    Prediction,
    Review,
    ReviewItem,
)

VersionProbabilities = dict[Version, npt.NDArray[np.float32]]
"""Probabilities (10,) by version."""


@dataclass(frozen=True)
class QueueSize:
    """How many images of each kind are waiting for a label."""

    disagreements: int
    audits: int
    user_flagged: int

    @property
    def total(self) -> int:
        """The sum of all kinds."""
        return self.disagreements + self.audits + self.user_flagged


def enqueue(session: Session, **item: Any) -> None:
    """Add an image to the queue, by the columns of ReviewItem, unless it was ever queued before.

    A resubmitted image is queued only once; otherwise one observation would be counted twice.
    """
    session.execute(insert_for(session, ReviewItem).values(**item).on_conflict_do_nothing())


def enqueue_batch(transaction: BatchTransaction, items: Iterable[dict[str, Any]]) -> None:
    """Add images to the queue in a batch write, unless they were ever queued before.

    Rows are sorted by their unique key: batches that insert the same images cannot deadlock.
    """
    unleased = {"is_open": True, "leased_by": None, "leased_until": None}
    ordered = sorted(items, key=lambda item: (item["experiment_id"] or 0, item["image_hash"]))
    _insert_items(transaction.dialect).run(transaction, [item | unleased for item in ordered])


@cache
def _insert_items(dialect: Dialect) -> CompiledStatement:
    return insert_ignore(ReviewItem, dialect)


def withdraw_stale(session: Session, prediction_id: UUID, running_id: int | None) -> None:
    """Remove an unlabeled image from the queue of an experiment that has ended."""
    item = lock_item(session, prediction_id)
    if item is not None and item.is_open and item.experiment_id not in (None, running_id):
        session.delete(item)
        session.flush()


def next_item(
    session: Session,
    experiment_id: int | None,
    reviewer_id: int,
    now: datetime,
    lease: timedelta,
) -> ReviewItem | None:
    """Return the next image for a reviewer and lock it: disagreements first, then by order key.

    `experiment_id` None is the queue of images flagged by users; `lease` is how long leases last.
    An image that the reviewer holds a lease on comes first. Images that the reviewer skipped, that
    are leased to somebody else or that the reviewer submitted, and so has seen a prediction for,
    are left out.
    """
    query = (
        select(ReviewItem)
        .where(
            ReviewItem.experiment_id == experiment_id,
            ReviewItem.is_open,
            _is_free(reviewer_id, now, lease),
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
    """Return an item, and let nobody else change it until the transaction ends."""
    return session.get(ReviewItem, prediction_id, with_for_update={"key_share": True})


def lock_items_of(session: Session, user_id: int) -> None:
    """Lock the items of a user's images and those leased to the user, who is being deleted."""
    own = ReviewItem.prediction_id.in_(select(Prediction.id).where(Prediction.user_id == user_id))
    items = select(ReviewItem.prediction_id).where(or_(own, ReviewItem.leased_by == user_id))
    session.execute(items.order_by(ReviewItem.prediction_id).with_for_update()).all()


def withdraw_erased(
    session: Session, user_id: int, prediction_ids: Collection[UUID] | None = None
) -> None:
    """Close the queue items of a user's images, or of some, because they are being erased.

    Unlabeled ones are counted as erased, with their experiments locked: erasure may bias the
    sample. The image hash stays in its experiment, so that the image is not queued again if it is
    resubmitted.
    """
    query = select(ReviewItem).join(Prediction, ReviewItem.prediction_id == Prediction.id)
    owned = query.where(Prediction.user_id == user_id).with_for_update(of=ReviewItem)
    if prediction_ids is not None:
        owned = owned.where(ReviewItem.prediction_id.in_(prediction_ids))
    items = session.scalars(owned.order_by(ReviewItem.prediction_id)).all()
    counted_in = {item.experiment_id for item in items if item.is_open and item.experiment_id}
    for experiment_id in sorted(counted_in):
        experiments.lock_for_update(session, experiment_id)
    for item in items:
        if item.experiment_id is None:
            session.delete(item)
            continue
        if item.is_open:
            add(session, make_review(item, ERASED, None))
        item.is_open, item.leased_by, item.leased_until = False, None, None


def withdraw_expired(session: Session, prediction_ids: Collection[UUID]) -> None:
    """Remove images that have passed their retention period from the queue.

    Age does not bias the sample, so they are not counted as erased.
    """
    query = select(ReviewItem).where(ReviewItem.prediction_id.in_(prediction_ids))
    locked = query.order_by(ReviewItem.prediction_id).with_for_update(key_share=True)
    for item in session.scalars(locked).all():
        if item.is_open or item.experiment_id is None:
            session.delete(item)
    session.flush()


def make_review(item: ReviewItem, label: int, reviewer_id: int | None) -> Review:
    """Return a review of an item, made now."""
    return Review(
        experiment_id=item.experiment_id,
        prediction_id=item.prediction_id,
        reviewer_id=reviewer_id,
        is_audit=item.is_audit,
        label=label,
        created_at=datetime.now(UTC),
    )


def queue_size(session: Session, experiment_id: int) -> QueueSize:
    """Return the size of the queue: an experiment's images, and those flagged by users."""
    is_flagged = ReviewItem.experiment_id.is_(None)
    counts = select(
        func.count(case((and_(~is_flagged, ~ReviewItem.is_audit), 1))),
        func.count(case((and_(~is_flagged, ReviewItem.is_audit), 1))),
        func.count(case((is_flagged, 1))),
    )
    is_queued = or_(ReviewItem.experiment_id == experiment_id, is_flagged)
    return QueueSize(*session.execute(counts.where(ReviewItem.is_open, is_queued)).one())


def count_flagged_by(session: Session, user_id: int) -> int:
    """Return how many images flagged by a user are waiting."""
    query = select(func.count()).select_from(ReviewItem).join(Prediction)
    query = query.join(Feedback, Feedback.prediction_id == Prediction.id)
    return session.scalars(
        query.where(
            ReviewItem.experiment_id.is_(None), ReviewItem.is_open, Prediction.user_id == user_id
        )
    ).one()


def add(session: Session, review: Review) -> None:
    """Add a review, and count it if it belongs to an experiment."""
    session.add(review)
    _count(session, review, 1)


def lock_last_review(session: Session, reviewer_id: int) -> Review | None:
    """Return a reviewer's last review, and let nobody else change it in this transaction."""
    query = select(Review).where(Review.reviewer_id == reviewer_id)
    return session.scalar(query.order_by(Review.id.desc()).limit(1).with_for_update())


def list_recent(session: Session, limit: int) -> list[tuple[int, int, UUID, int]]:
    """Return the last labels of images that have an owner: review, owner, prediction and label."""
    query = (
        select(Review.id, Prediction.user_id, Review.prediction_id, Review.label)
        .join(Prediction, Prediction.id == Review.prediction_id)
        .where(Review.label <= NOT_A_DIGIT, Prediction.user_id.is_not(None))
        .order_by(Review.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1] or 0, row[2], row[3]) for row in session.execute(query)]


def delete(session: Session, review: Review) -> None:
    """Delete a review, and subtract it from the counters."""
    session.delete(review)
    _count(session, review, -1)


def get_probabilities(session: Session, prediction_id: UUID) -> VersionProbabilities:
    """Return what the versions predicted for an image."""
    stored = session.get_one(Prediction, prediction_id)
    version = Version(stored.version)
    by_version = {version: stored.probabilities, version.other: stored.shadow_probabilities}
    return {
        each: np.frombuffer(packed, dtype="<f4").astype(np.float32)
        for each, packed in by_version.items()
        if packed is not None
    }


def _count(session: Session, review: Review, by: int) -> None:
    if review.experiment_id is None:
        return
    probabilities = get_probabilities(session, review.prediction_id)
    digits = {version: int(probabilities[version].argmax()) for version in Version}
    key = {"experiment_id": review.experiment_id, "is_audit": review.is_audit}
    versions = {"v1_digit": digits[Version.V1], "v2_digit": digits[Version.V2]}
    counters.increment(session, LabelCount, key | versions | {"label": review.label}, labels=by)
    if review.label > NOT_A_DIGIT:
        return
    for version in Version:
        confidence = float(probabilities[version].max())
        correct = by * (digits[version] == review.label)
        bucket = key | {"version": version, "bucket": bucket_of(confidence)}
        millionths = by * round(confidence * 1_000_000)
        counters.increment(
            session,
            ConfidenceCount,
            bucket,
            labels=by,
            correct=correct,
            confidence_sum_millionths=millionths,
        )


def _is_free(reviewer_id: int, now: datetime, lease: timedelta) -> ColumnElement[bool]:
    """Return the condition that no other reviewer holds a lease (clock_skew.is_pending)."""
    return or_(
        ReviewItem.leased_until.is_(None),
        ReviewItem.leased_until < now,
        ReviewItem.leased_until > latest_end(now, lease),
        ReviewItem.leased_by == reviewer_id,
    )
