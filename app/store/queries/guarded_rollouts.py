"""Queries on guarded rollouts: newly deployed models that their predecessors shadow."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from sqlalchemy import Dialect, case, func, select
from sqlalchemy.orm import Session

from app.domain.clock_skew import MAX_CLOCK_SKEW
from app.domain.guarded_rollout import RolloutStratum
from app.domain.predictions import ShadowComparison
from app.domain.review_labels import NOT_A_DIGIT
from app.domain.verdicts import Evidence
from app.store.engine.batch_writes import BatchTransaction, CompiledStatement, insert_rows
from app.store.tables import GuardedRollout, Review, RolloutComparison


def add(session: Session, rollout: GuardedRollout) -> None:
    """Add a guarded rollout."""
    session.add(rollout)


def list_active(session: Session) -> Sequence[GuardedRollout]:
    """Return the guarded rollouts that are not closed, oldest first."""
    return session.scalars(
        select(GuardedRollout).where(GuardedRollout.closed_at.is_(None)).order_by(GuardedRollout.id)
    ).all()


def list_recent(session: Session, limit: int) -> Sequence[GuardedRollout]:
    """Return the last guarded rollouts, newest first."""
    return session.scalars(
        select(GuardedRollout).order_by(GuardedRollout.id.desc()).limit(limit)
    ).all()


def exists_closed_since(session: Session, version: str, outcome: str, since: datetime) -> bool:
    """Return whether a guarded rollout of a version was closed with this outcome since then.

    One that was closed in the future, while the clock was ahead, does not count.
    """
    query = select(GuardedRollout.id).where(
        GuardedRollout.version == version,
        GuardedRollout.outcome == outcome,
        GuardedRollout.closed_at.between(since, datetime.now(UTC) + MAX_CLOCK_SKEW),
    )
    return session.scalar(query.limit(1)) is not None


def add_comparisons(
    transaction: BatchTransaction,
    prediction_id: UUID,
    comparisons: Iterable[ShadowComparison],
    *,
    is_evidence: bool,
) -> None:
    """Add the comparisons of a request, which may be evidence in an experiment as well."""
    rows = [
        {
            "rollout_id": comparison.rollout_id,
            "prediction_id": prediction_id,
            "predicted_digit": comparison.digit,
            "predecessor_digit": comparison.predecessor_digit,
            "versions_disagree": is_evidence and comparison.digit != comparison.other_digit,
        }
        for comparison in comparisons
    ]
    _insert(transaction.dialect).run(transaction, rows)


@cache
def _insert(dialect: Dialect) -> CompiledStatement:
    return insert_rows(RolloutComparison, dialect)


def count_requests(session: Session, rollout_id: int) -> int:
    """Return how many requests a guarded rollout compared."""
    query = select(func.count()).where(RolloutComparison.rollout_id == rollout_id)
    return session.scalars(query).one()


def list_strata(session: Session, rollout_id: int) -> list[RolloutStratum]:
    """Return requests on which model and predecessor disagree, with their labels, in two strata.

    The first are those on which the versions of an experiment disagree too, which are all queued
    for review.
    """
    row = RolloutComparison
    query = (
        select(
            func.count(row.prediction_id.distinct()),
            func.count(case((Review.label == row.predecessor_digit, 1))),
            func.count(case((Review.label == row.predicted_digit, 1))),
            func.count(case((Review.label <= NOT_A_DIGIT, 1))),
        )
        .outerjoin(Review, Review.prediction_id == row.prediction_id)
        .where(row.rollout_id == rollout_id, row.predicted_digit != row.predecessor_digit)
    )
    strata = []
    for versions_disagree in (True, False):
        rows = session.execute(query.where(row.versions_disagree == versions_disagree))
        disagreements, predecessor, successor, labeled = rows.one()
        evidence = Evidence(predecessor, successor, labeled - predecessor - successor)
        strata.append(RolloutStratum(disagreements, evidence))
    return strata
