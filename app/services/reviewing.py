"""Blind review: which picture a reviewer sees next, and what their word adds to the evidence.

The verdict's queue is filled by the draw of a hash alone; what users say never touches it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp
from uuid import UUID

from sqlalchemy.orm import Session

from app.domain.errors import Conflict, NotFound
from app.domain.intervals import log_e_value
from app.domain.labels import SKIPPED
from app.domain.readings import Digit
from app.domain.verdicts import winner_of
from app.services.judging import evidence_of
from app.store import counters, experiments, predictions, reviews
from app.store.db import writing
from app.store.reviews import Waiting
from app.store.tables import Experiment

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
    where this reviewer does not hold it.
    """
    with writing() as session:
        item = reviews.find_item(session, prediction_id)
        if item is None or not item.is_open:
            raise NotFound(_GONE)
        if item.leased_by != reviewer_id:
            raise Conflict("Another reviewer holds this picture, or you have not asked for it")
        experiment = experiments.lock(session, item.experiment_id)
        reviews.add(session, reviews.review_of(item, truth, reviewer_id))
        item.leased_by, item.leased_until, item.is_open = None, None, truth == SKIPPED
        _latch(session, experiment)


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
        reviews.remove(session, review)
        item.is_open = item.is_open or review.truth != SKIPPED


def _latch(session: Session, experiment: Experiment) -> None:
    """Write the verdict down the first time that it names a winner."""
    evidence = evidence_of(counters.labelled(session, experiment.id))
    winner = winner_of(evidence)
    if winner is not None and experiment.winner is None:
        experiment.winner, experiment.winner_at = winner, datetime.now(UTC)
        experiment.winner_informative = evidence.informative
        experiment.winner_v2_alone = evidence.v2_alone
        experiment.winner_e_value = exp(log_e_value(evidence.v2_alone, evidence.informative))
