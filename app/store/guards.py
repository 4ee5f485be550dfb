"""Queries on guards: newly deployed models that their predecessors shadow."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import Dialect, case, func, select
from sqlalchemy.orm import Session

from app.domain.guardrails import Part
from app.domain.labels import NOT_A_DIGIT
from app.domain.readings import GuardCase
from app.domain.verdicts import Evidence
from app.store import tables
from app.store.groups import Group, Prepared, inserting
from app.store.tables import Guard, Review


def add(session: Session, guard: Guard) -> None:
    """Open a guard."""
    session.add(guard)


def open_guards(session: Session) -> Sequence[Guard]:
    """The guards that are not closed."""
    return session.scalars(select(Guard).where(Guard.closed_at.is_(None)).order_by(Guard.id)).all()


def newest(session: Session, limit: int) -> Sequence[Guard]:
    """The last guards, the newest first."""
    return session.scalars(select(Guard).order_by(Guard.id.desc()).limit(limit)).all()


def closed_since(session: Session, version: str, outcome: str, since: datetime) -> bool:
    """Whether a guard of a version was closed so since then."""
    query = select(Guard.id).where(
        Guard.version == version, Guard.outcome == outcome, Guard.closed_at > since
    )
    return session.scalar(query.limit(1)) is not None


def add_cases(
    group: Group, prediction_id: UUID, cases: Iterable[GuardCase], *, is_evidence: bool
) -> None:
    """Note what guards saw of a request, which may be evidence in an experiment."""
    rows = [
        {
            "guard_id": seen.guard_id,
            "prediction_id": prediction_id,
            "digit": seen.digit,
            "predecessor_digit": seen.predecessor_digit,
            "is_disputed": is_evidence and seen.digit != seen.other_digit,
        }
        for seen in cases
    ]
    _adding_cases(group.dialect).run(group, rows)


@cache
def _adding_cases(dialect: Dialect) -> Prepared:
    return inserting(tables.GuardCase, dialect)


def requests(session: Session, guard_id: int) -> int:
    """How many requests a guard saw."""
    query = select(func.count()).where(tables.GuardCase.guard_id == guard_id)
    return session.scalars(query).one()


def parts(session: Session, guard_id: int) -> list[Part]:
    """Requests on which the models disagree, with their labels: disputed ones, and the rest."""
    seen = tables.GuardCase
    told = case((Review.truth <= NOT_A_DIGIT, 1))
    query = (
        select(
            func.count(seen.prediction_id.distinct()),
            func.count(case((Review.truth == seen.predecessor_digit, 1))),
            func.count(case((Review.truth == seen.digit, 1))),
            func.count(told),
        )
        .outerjoin(Review, Review.prediction_id == seen.prediction_id)
        .where(seen.guard_id == guard_id, seen.digit != seen.predecessor_digit)
    )
    found = []
    for is_disputed in (True, False):
        rows = session.execute(query.where(seen.is_disputed == is_disputed))
        disagreements, predecessor, successor, labelled = rows.one()
        evidence = Evidence(predecessor, successor, labelled - predecessor - successor)
        found.append(Part(disagreements, evidence))
    return found
