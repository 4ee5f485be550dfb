"""Counters: what the report adds up instead of counting rows, kept in the rows' own transactions.

Every counter can be worked out from rows again; `recount.py` does, and compares.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Dialect, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.domain.latency_histogram import bucket_of
from app.domain.predictions import Prediction
from app.store.engine.batch_writes import BatchTransaction, CompiledStatement, upsert_add
from app.store.engine.db import insert_for
from app.store.tables import Base

WORKERS = 16  # rows that processes count in, so that they seldom wait for each other

_TRAFFIC = ("served", "disagreements", "assigned_units", "crossed_over")
_NO_TRAFFIC = dict.fromkeys(_TRAFFIC, 0)

_Row = dict[str, Any]


class TrafficCount(Base):
    """Answers of a version as one worker counted them; stage 0 is outside every experiment.

    `assigned_units` are requests, or users seen for the first time in the stage, of whom
    `crossed_over` had met the other version there.
    """

    __tablename__ = "traffic_count"

    worker: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stage_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(String(2), primary_key=True)
    served: Mapped[int] = mapped_column(server_default="0")
    disagreements: Mapped[int] = mapped_column(server_default="0")
    assigned_units: Mapped[int] = mapped_column(server_default="0")
    crossed_over: Mapped[int] = mapped_column(server_default="0")


class LatencyCount(Base):
    """Answers of a version by how long they took, as one worker counted them."""

    __tablename__ = "latency_count"

    worker: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(String(2), primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    served: Mapped[int] = mapped_column(server_default="0")


class LabelCount(Base):
    """Reviews by what the versions named and what the picture shows."""

    __tablename__ = "label_count"

    experiment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    is_audit: Mapped[bool] = mapped_column(primary_key=True)
    v1_digit: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    v2_digit: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    labels: Mapped[int] = mapped_column(server_default="0")


class ConfidenceCount(Base):
    """Labelled answers of a version by how sure it was."""

    __tablename__ = "confidence_count"

    experiment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    is_audit: Mapped[bool] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(String(2), primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    labels: Mapped[int] = mapped_column(server_default="0")
    correct: Mapped[int] = mapped_column(server_default="0")
    confidence_sum_millionths: Mapped[int] = mapped_column(BigInteger, server_default="0")


class FeedbackCount(Base):
    """Users' words by version; experiment 0 and no version for those that name no prediction.

    `eligible` are those that the users' view rests on: few of one user, one of one picture.
    """

    __tablename__ = "feedback_count"

    experiment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(String(2), primary_key=True)
    total: Mapped[int] = mapped_column(server_default="0")
    correct: Mapped[int] = mapped_column(server_default="0")
    eligible: Mapped[int] = mapped_column(server_default="0")
    eligible_correct: Mapped[int] = mapped_column(server_default="0")


@dataclass(frozen=True)
class TrafficTotals:
    """What was counted of a version in a stage, over all workers."""

    stage_id: int
    version: str
    served: int
    disagreements: int
    units: int
    crossed: int


@dataclass(frozen=True)
class NewUnits:
    """What an answer assigned: new units, and how many of them had met the other version."""

    assigned: int
    crossed: int


NO_NEW_UNITS = NewUnits(0, 0)


@dataclass(frozen=True)
class LabelTotals:
    """How many reviews said this `truth` of pictures that the versions named so."""

    is_audit: bool
    v1_digit: int
    v2_digit: int
    truth: int
    labels: int


@dataclass(frozen=True)
class ConfidenceTotals:
    """Labelled answers of a version in a range of confidence; `sure` sums it, in millionths."""

    is_audit: bool
    version: str
    bucket: int
    labels: int
    correct: int
    sure: int


@dataclass(frozen=True)
class FeedbackTotals:
    """Users' words on a version's answers in an experiment."""

    experiment_id: int
    version: str
    words: int
    correct: int
    counted: int
    counted_correct: int


def increment(session: Session, counter: type[Base], key: Mapping[str, Any], **more: int) -> None:
    """Add to the counter with this key, which begins at nothing."""
    grown = {name: getattr(counter, name) + amount for name, amount in more.items()}
    upsert_add = insert_for(session, counter).values(**key, **more)
    session.execute(upsert_add.on_conflict_do_update(index_elements=list(key), set_=grown))


def count_predictions(group: BatchTransaction, made: Sequence[tuple[Prediction, NewUnits]]) -> None:
    """Count answers of this process by version, stage and latency, with the units of each."""
    worker = os.getpid() % WORKERS
    traffic: dict[tuple[int, str], _Row] = {}
    latency_histograms: dict[tuple[str, int], _Row] = {}
    for one, units in made:
        stage_id, version = one.stage_id or 0, one.version.value
        row: _Row = {"worker": worker, "stage_id": stage_id, "version": version}
        counted = traffic.setdefault((stage_id, version), row | _NO_TRAFFIC)
        counted["served"] += 1
        counted["disagreements"] += one.disagrees
        counted["assigned_units"] += units.assigned
        counted["crossed_over"] += units.crossed
        bucket = bucket_of(one.latency_us or 0)
        row = {"worker": worker, "version": version, "bucket": bucket, "served": 0}
        latency_histograms.setdefault((version, bucket), row)["served"] += 1
    _adding(TrafficCount, _TRAFFIC, group.dialect).run(group, _sorted(traffic))
    _adding(LatencyCount, ("served",), group.dialect).run(group, _sorted(latency_histograms))


def _sorted(rows: Mapping[Any, _Row]) -> list[_Row]:
    """In the order of their keys: two groups wait for the same rows in turn, not in a circle."""
    return [rows[key] for key in sorted(rows)]


@cache
def _adding(counter: type[Base], counted: tuple[str, ...], dialect: Dialect) -> CompiledStatement:
    return upsert_add(counter, counted, dialect)


def list_traffic(session: Session) -> list[TrafficTotals]:
    """The traffic of every stage and version."""
    counter = TrafficCount
    sums = [func.sum(each) for each in (counter.served, counter.disagreements)]
    more = [func.sum(each) for each in (counter.assigned_units, counter.crossed_over)]
    query = select(counter.stage_id, counter.version, *sums, *more)
    rows = session.execute(query.group_by(counter.stage_id, counter.version))
    return [TrafficTotals(*row[:2], *map(int, row[2:])) for row in rows]


def latency_histograms(session: Session) -> dict[str, dict[int, int]]:
    """For each version how many answers took as long as each bucket says."""
    counter = LatencyCount
    query = select(counter.version, counter.bucket, func.sum(counter.served))
    found: dict[str, dict[int, int]] = {}
    for version, bucket, served in session.execute(
        query.group_by(counter.version, counter.bucket).order_by(counter.bucket)
    ):
        found.setdefault(version, {})[bucket] = int(served)
    return found


def list_labels(session: Session, experiment_id: int) -> list[LabelTotals]:
    """What reviewers said in an experiment."""
    counter = LabelCount
    query = select(
        *(counter.is_audit, counter.v1_digit, counter.v2_digit, counter.label, counter.labels)
    ).where(counter.experiment_id == experiment_id, counter.labels > 0)
    return [LabelTotals(*row) for row in session.execute(query)]


def list_confidences(session: Session, experiment_id: int) -> list[ConfidenceTotals]:
    """How sure the versions were of what reviewers labelled in an experiment."""
    counter = ConfidenceCount
    shown = (counter.is_audit, counter.version, counter.bucket)
    query = select(*shown, counter.labels, counter.correct, counter.confidence_sum_millionths)
    rows = session.execute(query.where(counter.experiment_id == experiment_id))
    return [ConfidenceTotals(*row) for row in rows]


def list_feedback(session: Session) -> list[FeedbackTotals]:
    """Users' words, by experiment and version."""
    counter = FeedbackCount
    keys = (counter.experiment_id, counter.version, counter.total, counter.correct)
    rows = session.execute(select(*keys, counter.eligible, counter.eligible_correct))
    return [FeedbackTotals(*row) for row in rows]
