"""Blind review: which picture a reviewer sees next, and what their word adds to the evidence.

The verdict's queue is filled by the draw of a hash alone; what users say never touches it, and what
they flag waits apart.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp
from uuid import UUID

from sqlalchemy.orm import Session

from app.domain.errors import Conflict, NotFound
from app.domain.intervals import log_e_value
from app.domain.notifications import NotificationKind
from app.domain.predictions import DigitImage
from app.domain.review_labels import SKIPPED
from app.domain.verdicts import find_winner
from app.services.experiments.evaluation import evidence_from
from app.services.reviews import attention_checks
from app.store.engine.db import write_transaction
from app.store.queries import attention_checks as attention_checks_rows
from app.store.queries import counters, experiments, notifications, predictions, reviews
from app.store.queries.reviews import QueueSize
from app.store.tables import AttentionCheck, Experiment, Review, ReviewItem

LEASE = timedelta(minutes=2)

_NOT_WAITING = "This picture is not waiting for a review"
_CANNOT_UNDO = "Only your last word can be taken back, on a picture that is still here"


@dataclass(frozen=True)
class QueuedImage:
    """A picture to be labelled, blind: nothing that either version said of it."""

    prediction_id: UUID
    image: DigitImage
    leased_until: datetime


def next_item(reviewer_id: int) -> tuple[QueuedImage | None, QueueSize]:
    """Lease a reviewer the picture that is next, for two minutes; with how many wait.

    Those of the running experiment first, then what users flagged; now and then a probe instead.
    """
    until = datetime.now(UTC) + LEASE
    with write_transaction() as session:
        experiment = experiments.get_latest(session)
        if experiment is None:
            return None, QueueSize(0, 0, 0)
        waiting = reviews.queue_size(session, experiment.id)
        item = _next_review_item(session, experiment.id, reviewer_id)
        if item is None:
            return None, waiting
        probe = attention_checks.maybe_next(session, reviewer_id, until, item.prediction_id)
        if probe is not None:
            return QueuedImage(probe[0].id, probe[1], until), waiting
        item.leased_by, item.leased_until = reviewer_id, until
        image = predictions.get_image_of_any_user(session, item.prediction_id)
        return QueuedImage(item.prediction_id, image, until), waiting


def submit_label(reviewer_id: int, prediction_id: UUID, truth: int) -> None:
    """Take a reviewer's word on a picture in: its digit, NOT_A_DIGIT or SKIPPED.

    A skip leaves the picture to others. Raises NotFound for a picture that does not wait, Conflict
    where this reviewer does not hold it.
    """
    with write_transaction() as session:
        probe = attention_checks_rows.get(session, prediction_id, reviewer_id)
        if probe is not None:
            _record_check_answer(probe, truth)
            return
        item = reviews.lock_item(session, prediction_id)
        if item is None or not item.is_open:
            raise NotFound(_NOT_WAITING)
        if item.leased_by != reviewer_id:
            raise Conflict("Another reviewer holds this picture, or you have not asked for it")
        experiment = _lock_experiment(session, item.experiment_id)
        reviews.add(session, reviews.make_review(item, truth, reviewer_id))
        item.leased_by, item.leased_until, item.is_open = None, None, truth == SKIPPED
        if experiment is not None:
            _record_winner(session, experiment)


def undo_last(reviewer_id: int, prediction_id: UUID) -> None:
    """Undo a reviewer's last word; the picture waits again. Raises Conflict for another word.

    A winner that was named in the meantime stays named.
    """
    with write_transaction() as session:
        review = reviews.lock_last_review(session, reviewer_id)
        probe = attention_checks_rows.get(session, prediction_id, reviewer_id)
        if probe is not None and _is_last(probe, review):
            probe.answer = probe.answered_at = None
            return
        item = reviews.lock_item(session, prediction_id)
        if review is None or review.prediction_id != prediction_id or item is None:
            raise Conflict(_CANNOT_UNDO)
        if predictions.is_erased(session, prediction_id):
            raise Conflict(_CANNOT_UNDO)
        _lock_experiment(session, review.experiment_id)
        reviews.delete(session, review)
        item.is_open = item.is_open or review.label != SKIPPED


def _next_review_item(session: Session, experiment_id: int, reviewer_id: int) -> ReviewItem | None:
    now = datetime.now(UTC)
    evidence = reviews.next_item(session, experiment_id, reviewer_id, now)
    return evidence or reviews.next_item(session, None, reviewer_id, now)


def _record_check_answer(probe: AttentionCheck, truth: int) -> None:
    if probe.answer is not None:
        raise NotFound(_NOT_WAITING)
    probe.answer, probe.answered_at = truth, datetime.now(UTC)


def _is_last(probe: AttentionCheck, review: Review | None) -> bool:
    """Whether a reviewer said something of the probe, and nothing of a picture since."""
    if probe.answered_at is None:
        return False
    return review is None or review.created_at < probe.answered_at


def _lock_experiment(session: Session, experiment_id: int | None) -> Experiment | None:
    """The experiment that a picture is evidence in; what users flagged is none."""
    return None if experiment_id is None else experiments.lock_for_update(session, experiment_id)


def _record_winner(session: Session, experiment: Experiment) -> None:
    """Write the verdict down the first time that it names a winner."""
    evidence = evidence_from(counters.list_labels(session, experiment.id))
    winner = find_winner(evidence)
    if winner is not None and experiment.winner is None:
        experiment.winner, experiment.winner_at = winner, datetime.now(UTC)
        experiment.winner_discordant = evidence.discordant
        experiment.winner_v2_wins = evidence.only_v2_correct
        experiment.winner_e_value = exp(log_e_value(evidence.only_v2_correct, evidence.discordant))
        notifications.add(
            session,
            NotificationKind.VERDICT,
            f"experiment {experiment.id}: {winner} is better, by {evidence.discordant} labels on"
            " pictures that only one version read right",
        )
