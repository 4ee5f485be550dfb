"""Recount every counter from the rows, to compare with what the counters say."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, delete, func, literal, select, text
from sqlalchemy.orm import Session

from app.domain.assignment import AssignmentUnit, Version
from app.domain.confidence import bucket_of as confidence_bucket
from app.domain.latency_histogram import bucket_of as latency_bucket
from app.domain.review_labels import NOT_A_DIGIT
from app.store.queries import counters, reviews
from app.store.queries.reviews import VersionProbabilities
from app.store.tables import (
    Base,
    ConfidenceCount,
    Experiment,
    ExperimentStage,
    Exposure,
    Feedback,
    FeedbackCount,
    LabelCount,
    LatencyCount,
    Prediction,
    Review,
    TrafficCount,
)

Counts = dict[tuple[Any, ...], tuple[int, ...]]
"""Amounts by key, without keys whose amounts are all zero."""


@dataclass(frozen=True)
class CounterSpec:
    """A counter: its table, the columns of its key and its amounts, and how to recount it."""

    table: type[Base]
    keys: tuple[str, ...]
    amounts: tuple[str, ...]
    recount: Callable[[Session], Counts]

    def stored(self, session: Session) -> Counts:
        """Return what the counter says, summed over all workers."""
        columns = self.table.__table__.columns
        by = [columns[key] for key in self.keys]
        sums = [func.sum(columns[name]) for name in self.amounts]
        return _nonzero(session.execute(select(*by, *sums).group_by(*by)), len(by))


def repair(session: Session) -> None:
    """Set every counter to what its rows add up to, with all writers of such rows locked out."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE prediction, feedback, review, exposure IN SHARE MODE"))
    recounted = [(spec, spec.recount(session)) for spec in COUNTERS.values()]
    for table in dict.fromkeys(spec.table for spec in COUNTERS.values()):
        session.execute(delete(table))
    for spec, counts in recounted:
        worker = {"worker": 0} if "worker" in spec.table.__table__.columns else {}
        for key, amounts in counts.items():
            named_key = dict(zip(spec.keys, key, strict=True))
            named_amounts = dict(zip(spec.amounts, amounts, strict=True))
            counters.increment(session, spec.table, worker | named_key, **named_amounts)


def _predictions(session: Session) -> Counts:
    by = (func.coalesce(Prediction.stage_id, 0), Prediction.version)
    disagrees = case((Prediction.shadow_digit != Prediction.predicted_digit, 1), else_=0)
    query = select(*by, func.count(), func.sum(disagrees)).group_by(*by)
    return _nonzero(session.execute(query), len(by))


def _units(session: Session) -> Counts:
    """Count exposed users where an experiment assigns users, else requests."""
    crossed_over = func.sum(case((Exposure.crossed_over, 1), else_=0))
    exposed = select(Exposure.stage_id, Exposure.version, func.count(), crossed_over)
    users = session.execute(exposed.group_by(Exposure.stage_id, Exposure.version))
    by_request = (
        select(Prediction.stage_id, Prediction.version, func.count(), literal(0))
        .join(ExperimentStage, Prediction.stage_id == ExperimentStage.id)
        .join(Experiment, ExperimentStage.experiment_id == Experiment.id)
        .where(Experiment.unit == AssignmentUnit.REQUEST)
        .group_by(Prediction.stage_id, Prediction.version)
    )
    return _nonzero(users, 2) | _nonzero(session.execute(by_request), 2)


def _latencies(session: Session) -> Counts:
    histogram: Counter[tuple[str, int]] = Counter()
    timed = select(Prediction.version, Prediction.latency_us, func.count()).where(
        Prediction.latency_us.is_not(None)
    )
    for version, latency_us, served in session.execute(
        timed.group_by(Prediction.version, Prediction.latency_us)
    ):
        histogram[version, latency_bucket(latency_us or 0)] += served
    return {key: (served,) for key, served in histogram.items()}


def _labels(session: Session) -> Counts:
    found: Counter[tuple[Any, ...]] = Counter()
    for review, probabilities in _reviewed(session):
        digits = tuple(int(probabilities[version].argmax()) for version in Version)
        found[review.experiment_id, review.is_audit, *digits, review.label] += 1
    return {key: (labels,) for key, labels in found.items()}


def _confidences(session: Session) -> Counts:
    found: dict[tuple[Any, ...], tuple[int, int, int]] = {}
    for review, probabilities in _reviewed(session):
        if review.label > NOT_A_DIGIT:
            continue
        for version in Version:
            confidence = float(probabilities[version].max())
            bucket = confidence_bucket(confidence)
            key = (review.experiment_id, review.is_audit, version, bucket)
            labels, correct, millionths = found.get(key, (0, 0, 0))
            correct += int(probabilities[version].argmax()) == review.label
            found[key] = (labels + 1, correct, millionths + round(confidence * 1_000_000))
    return {key: tuple(amounts) for key, amounts in found.items()}


def _feedback(session: Session) -> Counts:
    by = (func.coalesce(Feedback.experiment_id, 0), func.coalesce(Feedback.version, ""))
    correct, eligible = (
        case((each, 1), else_=0) for each in (Feedback.correct, Feedback.is_eligible)
    )
    sums = [func.sum(each) for each in (correct, eligible, correct * eligible)]
    query = select(*by, func.count(), *sums).group_by(*by)
    return _nonzero(session.execute(query), len(by))


def _reviewed(session: Session) -> Iterator[tuple[Review, VersionProbabilities]]:
    """Yield the reviews of experiments with what the versions predicted for the image."""
    evidence = select(Review).where(Review.experiment_id.is_not(None))
    for review in session.scalars(evidence.execution_options(yield_per=1_000)):
        yield review, reviews.get_probabilities(session, review.prediction_id)


def _nonzero(rows: Iterable[Sequence[Any]], keys: int) -> Counts:
    found = {tuple(row[:keys]): tuple(map(int, row[keys:])) for row in rows}
    return {key: amounts for key, amounts in found.items() if any(amounts)}


_STAGE_KEY = ("stage_id", "version")
_REVIEW_KEY = ("experiment_id", "is_audit")
_DIGITS_KEY = ("v1_digit", "v2_digit", "label")
_BUCKET_KEY = ("version", "bucket")
_FEEDBACK = ("total", "correct", "eligible", "eligible_correct")

COUNTERS = {
    "predictions": CounterSpec(TrafficCount, _STAGE_KEY, ("served", "disagreements"), _predictions),
    "units": CounterSpec(TrafficCount, _STAGE_KEY, ("assigned_units", "crossed_over"), _units),
    "latencies": CounterSpec(LatencyCount, _BUCKET_KEY, ("served",), _latencies),
    "labels": CounterSpec(LabelCount, _REVIEW_KEY + _DIGITS_KEY, ("labels",), _labels),
    "confidences": CounterSpec(
        ConfidenceCount,
        _REVIEW_KEY + _BUCKET_KEY,
        ("labels", "correct", "confidence_sum_millionths"),
        _confidences,
    ),
    "feedback": CounterSpec(FeedbackCount, ("experiment_id", "version"), _FEEDBACK, _feedback),
}
