"""Blind review: lease images to reviewers and add their labels to the evidence.

Disagreements and a hash alone decide what enters an experiment's queue and in which order. User
feedback never changes it: user-flagged images wait in a separate queue.
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
from app.store.engine.retries import retried
from app.store.queries import accounts, counters, experiments, notifications, predictions, reviews
from app.store.queries import attention_checks as attention_checks_rows
from app.store.queries.reviews import QueueSize
from app.store.tables import AttentionCheck, Experiment, Review, ReviewItem

LEASE = timedelta(minutes=2)

_NOT_WAITING = "This image is not waiting for review"
_CANNOT_UNDO = "Only your last label can be undone, and only while its image exists"


@dataclass(frozen=True)
class QueuedImage:
    """An image to be labeled blind: without the predictions of either version."""

    prediction_id: UUID
    image: DigitImage
    leased_until: datetime


@retried
def next_item(reviewer_id: int) -> tuple[QueuedImage | None, QueueSize]:
    """Lease the next image to a reviewer, for two minutes; also return the queue size.

    Images of the newest experiment come first, then user-flagged ones; sometimes an attention check
    is returned instead. The image is None if there is nothing to label.
    """
    leased_until = datetime.now(UTC) + LEASE
    with write_transaction() as session:
        accounts.lock_key_share(session, reviewer_id)
        experiment = experiments.get_latest(session)
        if experiment is None:
            return None, QueueSize(0, 0, 0)
        queue_size = reviews.queue_size(session, experiment.id)
        item = _next_review_item(session, experiment.id, reviewer_id)
        if item is None:
            return None, queue_size
        check = attention_checks.maybe_next(session, reviewer_id, leased_until, item.prediction_id)
        if check is not None:
            return QueuedImage(check[0].id, check[1], leased_until), queue_size
        item.leased_by, item.leased_until = reviewer_id, leased_until
        image = predictions.get_image_of_any_user(session, item.prediction_id)
        return QueuedImage(item.prediction_id, image, leased_until), queue_size


@retried
def submit_label(reviewer_id: int, prediction_id: UUID, label: int) -> None:
    """Record a reviewer's label of an image: its digit, NOT_A_DIGIT or SKIPPED.

    A skipped image goes to other reviewers. Raise NotFound if the image is not waiting, Conflict if
    it is not leased to this reviewer.
    """
    with write_transaction() as session:
        accounts.lock_key_share(session, reviewer_id)
        check = attention_checks_rows.get(session, prediction_id, reviewer_id)
        if check is not None:
            _record_check_answer(check, label)
            return
        item = reviews.lock_item(session, prediction_id)
        if item is None or not item.is_open:
            raise NotFound(_NOT_WAITING)
        if item.leased_by != reviewer_id:
            raise Conflict("This image is leased to another reviewer, or you have not requested it")
        experiment = _lock_experiment(session, item.experiment_id)
        reviews.add(session, reviews.make_review(item, label, reviewer_id))
        item.leased_by, item.leased_until, item.is_open = None, None, label == SKIPPED
        if experiment is not None:
            _record_winner(session, experiment)


@retried
def undo_last(reviewer_id: int, prediction_id: UUID) -> None:
    """Undo a reviewer's last label; the image waits again. Raise Conflict for any other label.

    A winner that was recorded in the meantime stays the winner.
    """
    with write_transaction() as session:
        accounts.lock_key_share(session, reviewer_id)
        review = reviews.lock_last_review(session, reviewer_id)
        check = attention_checks_rows.get(session, prediction_id, reviewer_id)
        if check is not None and _is_last(check, review):
            check.answer = check.answered_at = None
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
    item = reviews.next_item(session, experiment_id, reviewer_id, now, LEASE)
    return item or reviews.next_item(session, None, reviewer_id, now, LEASE)


def _record_check_answer(check: AttentionCheck, label: int) -> None:
    if check.answer is not None:
        raise NotFound(_NOT_WAITING)
    check.answer, check.answered_at = label, datetime.now(UTC)


def _is_last(check: AttentionCheck, review: Review | None) -> bool:
    """Return whether the check was answered, and after the reviewer's last label."""
    if check.answered_at is None:
        return False
    return review is None or review.created_at < check.answered_at


def _lock_experiment(session: Session, experiment_id: int | None) -> Experiment | None:
    """Lock the experiment of an image; return None for user-flagged images, which have none."""
    return None if experiment_id is None else experiments.lock_for_update(session, experiment_id)


def _record_winner(session: Session, experiment: Experiment) -> None:
    """Record the winner the first time that the evidence names one."""
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
            f"experiment {experiment.id}: {winner} is better, based on {evidence.discordant}"
            " labeled images that only one version classified correctly",
        )
