"""Queries on guards: newly deployed models that their predecessors shadow."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import Dialect, case, func, select
from sqlalchemy.orm import Session

from app.domain.guarded_rollout import RolloutStratum
from app.domain.predictions import ShadowComparison
from app.domain.review_labels import NOT_A_DIGIT
from app.domain.verdicts import Evidence
from app.store import tables
from app.store.engine.batch_writes import BatchTransaction, CompiledStatement, insert_rows
from app.store.tables import GuardedRollout, Review


def add(session: Session, guard: GuardedRollout) -> None:
    """Open a guard."""
    session.add(guard)


def list_active(session: Session) -> Sequence[GuardedRollout]:
    """The guards that are not closed."""
    return session.scalars(
        select(GuardedRollout).where(GuardedRollout.closed_at.is_(None)).order_by(GuardedRollout.id)
    ).all()


def list_recent(session: Session, limit: int) -> Sequence[GuardedRollout]:
    """The last guards, the newest first."""
    return session.scalars(
        select(GuardedRollout).order_by(GuardedRollout.id.desc()).limit(limit)
    ).all()


def exists_closed_since(session: Session, version: str, outcome: str, since: datetime) -> bool:
    """Whether a guard of a version was closed so since then."""
    query = select(GuardedRollout.id).where(
        GuardedRollout.version == version,
        GuardedRollout.outcome == outcome,
        GuardedRollout.closed_at > since,
    )
    return session.scalar(query.limit(1)) is not None


def add_comparisons(
    group: BatchTransaction,
    prediction_id: UUID,
    cases: Iterable[ShadowComparison],
    *,
    is_evidence: bool,
) -> None:
    """Note what guards saw of a request, which may be evidence in an experiment."""
    rows = [
        {
            "rollout_id": seen.rollout_id,
            "prediction_id": prediction_id,
            "predicted_digit": seen.digit,
            "predecessor_digit": seen.predecessor_digit,
            "versions_disagree": is_evidence and seen.digit != seen.other_digit,
        }
        for seen in cases
    ]
    _adding_cases(group.dialect).run(group, rows)


@cache
def _adding_cases(dialect: Dialect) -> CompiledStatement:
    return insert_rows(tables.RolloutComparison, dialect)


def count_requests(session: Session, guard_id: int) -> int:
    """How many requests a guard saw."""
    query = select(func.count()).where(tables.RolloutComparison.rollout_id == guard_id)
    return session.scalars(query).one()


def list_strata(session: Session, guard_id: int) -> list[RolloutStratum]:
    """Requests on which the models disagree, with their labels: disputed ones, and the rest."""
    seen = tables.RolloutComparison
    told = case((Review.label <= NOT_A_DIGIT, 1))
    query = (
        select(
            func.count(seen.prediction_id.distinct()),
            func.count(case((Review.label == seen.predecessor_digit, 1))),
            func.count(case((Review.label == seen.predicted_digit, 1))),
            func.count(told),
        )
        .outerjoin(Review, Review.prediction_id == seen.prediction_id)
        .where(seen.rollout_id == guard_id, seen.predicted_digit != seen.predecessor_digit)
    )
    found = []
    for is_disputed in (True, False):
        rows = session.execute(query.where(seen.versions_disagree == is_disputed))
        disagreements, predecessor, successor, labelled = rows.one()
        evidence = Evidence(predecessor, successor, labelled - predecessor - successor)
        found.append(RolloutStratum(disagreements, evidence))
    return found
