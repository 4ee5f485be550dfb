"""Blind review: which picture a reviewer sees next, and what their word adds to the evidence.

The verdict's queue is filled by the draw of a hash alone; what users say never touches it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp
from uuid import UUID

from sqlalchemy.orm import Session

from app.domain.assignment import Version
from app.domain.errors import Conflict, NotFound
from app.domain.intervals import log_e_value
from app.domain.readings import Digit
from app.domain.sureness import bucket_of
from app.domain.verdicts import winner_of
from app.services.judging import evidence_of
from app.store import counters, experiments, predictions, reviews
from app.store.counters import ConfidenceCount, LabelCount
from app.store.db import writing
from app.store.reviews import SKIPPED, Waiting
from app.store.tables import Experiment, Review

LEASE = timedelta(minutes=2)

_GONE = "This picture is not waiting for a review"


@dataclass(frozen=True)
class Item:
    """A picture to be labelled, blind: nothing that either version said of it."""

    prediction_id: UUID
    image: Digit
    leased_until: datetime


def next_item(reviewer_id: int) -> tuple[Item | None, Waiting]:
    """Lease a reviewer the picture that is next, for two minutes; with how many wait."""
    now = datetime.now(UTC)
    with writing() as session:
        experiment = experiments.newest(session)
        if experiment is None:
            return None, Waiting(0, 0)
        waiting = reviews.waiting(session, experiment.id)
        item = reviews.next_item(session, experiment.id, reviewer_id, now)
        if item is None:
            return None, waiting
        item.leased_by, item.leased_until = reviewer_id, now + LEASE
        image = predictions.image_of(session, item.prediction_id)
        return Item(item.prediction_id, image, item.leased_until), waiting


def label(reviewer_id: int, prediction_id: UUID, truth: int) -> None:
    """Take a reviewer's word on a picture in: its digit, NOT_A_DIGIT or SKIPPED.

    A skip leaves the picture to others. Raises NotFound for a picture that does not wait, Conflict
    where another reviewer holds it.
    """
    now = datetime.now(UTC)
    with writing() as session:
        item = reviews.find_item(session, prediction_id)
        if item is None or not item.is_open:
            raise NotFound(_GONE)
        if item.leased_by != reviewer_id and item.leased_until and item.leased_until > now:
            raise Conflict("Another reviewer holds this picture")
        experiment = experiments.lock(session, item.experiment_id)
        review = Review(
            experiment_id=item.experiment_id,
            prediction_id=prediction_id,
            reviewer_id=reviewer_id,
            is_audit=item.is_audit,
            truth=truth,
            created_at=now,
        )
        reviews.add(session, review)
        _count(session, review, 1)
        item.leased_by, item.leased_until, item.is_open = None, None, truth == SKIPPED
        _latch(session, experiment, now)


def take_back(reviewer_id: int, prediction_id: UUID) -> None:
    """Undo a reviewer's last word; the picture waits again. Raises Conflict for another word.

    A winner that was named in the meantime stays named.
    """
    with writing() as session:
        review = reviews.last_of(session, reviewer_id)
        item = reviews.find_item(session, prediction_id)
        if review is None or review.prediction_id != prediction_id or item is None:
            raise Conflict("Only your last word can be taken back, on a picture that is still here")
        experiments.lock(session, review.experiment_id)
        _count(session, review, -1)
        reviews.remove(session, review)
        item.is_open = True


def _count(session: Session, review: Review, by: int) -> None:
    """Add a word to the counters, or take it out again."""
    answers = predictions.answers(session, review.prediction_id)
    digits = {version: int(answers[version].argmax()) for version in Version}
    part = {"experiment_id": review.experiment_id, "is_audit": review.is_audit}
    named = {"v1_digit": digits[Version.V1], "v2_digit": digits[Version.V2]}
    key = part | named | {"truth": review.truth}
    counters.add(session, LabelCount, key, labels=by)
    if review.truth == SKIPPED:
        return
    for version in Version:
        sure = float(answers[version].max())
        correct = by * (digits[version] == review.truth)
        bucket = part | {"version": version, "bucket": bucket_of(sure)}
        millionths = by * round(sure * 1_000_000)
        counters.add(session, ConfidenceCount, bucket, labels=by, correct=correct, sure=millionths)


def _latch(session: Session, experiment: Experiment, now: datetime) -> None:
    """Write the verdict down the first time that it names a winner."""
    evidence = evidence_of(counters.labelled(session, experiment.id))
    winner = winner_of(evidence)
    if winner is not None and experiment.winner is None:
        experiment.winner, experiment.winner_at = winner, now
        experiment.winner_informative = evidence.informative
        experiment.winner_v2_alone = evidence.v2_alone
        experiment.winner_e_value = exp(log_e_value(evidence.v2_alone, evidence.informative))
