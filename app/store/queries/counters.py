"""Queries on the counters, which change in the transactions of the rows that they count.

counter_audit.py recounts every counter from the rows and compares; the tests of everything that
writes rows do so too (list_differences).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Dialect, func, select
from sqlalchemy.orm import Session

from app.domain.latency_histogram import bucket_of
from app.domain.predictions import Prediction
from app.store.engine.batch_writes import BatchTransaction, CompiledStatement, upsert_add
from app.store.engine.db import insert_for
from app.store.tables import (
    Base,
    ConfidenceCount,
    FeedbackCount,
    LabelCount,
    LatencyCount,
    TrafficCount,
)

WORKER_SLOTS = 16  # processes count in different rows, so that they seldom wait for a row lock

_TRAFFIC = ("served", "disagreements", "assigned_units", "crossed_over")
_NO_TRAFFIC = dict.fromkeys(_TRAFFIC, 0)

_Row = dict[str, Any]


@dataclass(frozen=True)
class TrafficCounts:
    """The traffic of a version in a stage, summed over all workers."""

    stage_id: int
    version: str
    served: int
    disagreements: int
    assigned_units: int
    crossed_over: int


@dataclass(frozen=True)
class NewUnits:
    """The new units of a prediction, and how many of them met the other version before."""

    assigned: int
    crossed_over: int


NO_NEW_UNITS = NewUnits(0, 0)


@dataclass(frozen=True)
class LabelCounts:
    """How many reviews gave this label to images for which the versions predicted these digits."""

    is_audit: bool
    v1_digit: int
    v2_digit: int
    label: int
    labels: int


@dataclass(frozen=True)
class ConfidenceCounts:
    """Labeled predictions of a version in a bucket of confidence."""

    is_audit: bool
    version: str
    bucket: int
    labels: int
    correct: int
    confidence_sum_millionths: int


@dataclass(frozen=True)
class FeedbackCounts:
    """User feedback on a version's predictions in an experiment."""

    experiment_id: int
    version: str
    total: int
    correct: int
    eligible: int
    eligible_correct: int


def increment(
    session: Session, counter: type[Base], key: Mapping[str, Any], **amounts: int
) -> None:
    """Add these amounts to the counter with this key, which starts at zero."""
    sums = {name: getattr(counter, name) + amount for name, amount in amounts.items()}
    statement = insert_for(session, counter).values(**key, **amounts)
    session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=sums))


def count_predictions(
    transaction: BatchTransaction, predictions: Sequence[tuple[Prediction, NewUnits]]
) -> None:
    """Count this process's predictions by version, stage and latency, with the new units."""
    worker = os.getpid() % WORKER_SLOTS
    traffic: dict[tuple[int, str], _Row] = {}
    latencies: dict[tuple[str, int], _Row] = {}
    for prediction, units in predictions:
        stage_id, version = prediction.stage_id or 0, prediction.version.value
        row: _Row = {"worker": worker, "stage_id": stage_id, "version": version}
        counts = traffic.setdefault((stage_id, version), row | _NO_TRAFFIC)
        counts["served"] += 1
        counts["disagreements"] += prediction.disagrees
        counts["assigned_units"] += units.assigned
        counts["crossed_over"] += units.crossed_over
        bucket = bucket_of(prediction.latency_us or 0)
        row = {"worker": worker, "version": version, "bucket": bucket, "served": 0}
        latencies.setdefault((version, bucket), row)["served"] += 1
    _upsert(TrafficCount, _TRAFFIC, transaction.dialect).run(transaction, _sorted(traffic))
    _upsert(LatencyCount, ("served",), transaction.dialect).run(transaction, _sorted(latencies))


def _sorted(rows: Mapping[Any, _Row]) -> list[_Row]:
    """Sort rows by key: batches that lock the same rows in the same order cannot deadlock."""
    return [rows[key] for key in sorted(rows)]


@cache
def _upsert(counter: type[Base], counted: tuple[str, ...], dialect: Dialect) -> CompiledStatement:
    return upsert_add(counter, counted, dialect)


def list_traffic(session: Session) -> list[TrafficCounts]:
    """Return the traffic of every stage and version."""
    counter = TrafficCount
    sums = [func.sum(getattr(counter, name)) for name in _TRAFFIC]
    query = select(counter.stage_id, counter.version, *sums)
    rows = session.execute(query.group_by(counter.stage_id, counter.version))
    return [TrafficCounts(*row[:2], *map(int, row[2:])) for row in rows]


def latency_histograms(session: Session) -> dict[str, dict[int, int]]:
    """Return for each version how many predictions fell into each latency bucket."""
    counter = LatencyCount
    query = select(counter.version, counter.bucket, func.sum(counter.served))
    histograms: dict[str, dict[int, int]] = {}
    for version, bucket, served in session.execute(
        query.group_by(counter.version, counter.bucket).order_by(counter.bucket)
    ):
        histograms.setdefault(version, {})[bucket] = int(served)
    return histograms


def list_labels(session: Session, experiment_id: int) -> list[LabelCounts]:
    """Return the labels of an experiment."""
    counter = LabelCount
    query = select(
        counter.is_audit, counter.v1_digit, counter.v2_digit, counter.label, counter.labels
    ).where(counter.experiment_id == experiment_id, counter.labels > 0)
    return [LabelCounts(*row) for row in session.execute(query)]


def list_confidences(session: Session, experiment_id: int) -> list[ConfidenceCounts]:
    """Return the labeled predictions of an experiment by confidence."""
    counter = ConfidenceCount
    keys = (counter.is_audit, counter.version, counter.bucket)
    query = select(*keys, counter.labels, counter.correct, counter.confidence_sum_millionths)
    rows = session.execute(query.where(counter.experiment_id == experiment_id))
    return [ConfidenceCounts(*row) for row in rows]


def list_feedback(session: Session) -> list[FeedbackCounts]:
    """Return user feedback by experiment and version."""
    counter = FeedbackCount
    keys = (counter.experiment_id, counter.version, counter.total, counter.correct)
    rows = session.execute(select(*keys, counter.eligible, counter.eligible_correct))
    return [FeedbackCounts(*row) for row in rows]
