"""Every counter worked out from rows again, beside what the counters say."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, delete, func, literal, select, text
from sqlalchemy.orm import Session

from app.domain.assignment import AssignmentUnit, Version
from app.domain.confidence import bucket_of as sureness_bucket
from app.domain.latency_histogram import bucket_of as latency_bucket
from app.domain.review_labels import NOT_A_DIGIT
from app.store.queries import reviews
from app.store.queries.counters import (
    ConfidenceCount,
    FeedbackCount,
    LabelCount,
    LatencyCount,
    TrafficCount,
    increment,
)
from app.store.queries.reviews import VersionProbabilities
from app.store.tables import (
    Base,
    Experiment,
    ExperimentStage,
    Exposure,
    Feedback,
    Prediction,
    Review,
)

Counts = dict[tuple[Any, ...], tuple[int, ...]]
"""What was counted, by key; keys with nothing but noughts are left out."""


@dataclass(frozen=True)
class CounterSpec:
    """A kind of counter: its table, by what it counts, what it counts, and the same from rows."""

    table: type[Base]
    keys: tuple[str, ...]
    amounts: tuple[str, ...]
    recount: Callable[[Session], Counts]

    def counted(self, session: Session) -> Counts:
        """What the counters say, over all workers."""
        columns = self.table.__table__.columns
        by = [columns[key] for key in self.keys]
        sums = [func.sum(columns[name]) for name in self.amounts]
        return _kept(session.execute(select(*by, *sums).group_by(*by)), len(by))


def repair(session: Session) -> None:
    """Set every counter to what its rows come to."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE prediction, feedback, review, exposure IN SHARE MODE"))
    found = [(kind, kind.recount(session)) for kind in COUNTERS.values()]
    for table in dict.fromkeys(kind.table for kind in COUNTERS.values()):
        session.execute(delete(table))
    for kind, counts in found:
        worker = {"worker": 0} if "worker" in kind.table.__table__.columns else {}
        for key, amounts in counts.items():
            named = dict(zip(kind.keys, key, strict=True))
            more = dict(zip(kind.amounts, amounts, strict=True))
            increment(session, kind.table, worker | named, **more)


def _answers(session: Session) -> Counts:
    by = (func.coalesce(Prediction.stage_id, 0), Prediction.version)
    disagrees = case((Prediction.shadow_digit != Prediction.predicted_digit, 1), else_=0)
    query = select(*by, func.count(), func.sum(disagrees)).group_by(*by)
    return _kept(session.execute(query), len(by))


def _units(session: Session) -> Counts:
    """Exposed users where an experiment assigns users, requests where it assigns those."""
    crossed = func.sum(case((Exposure.crossed_over, 1), else_=0))
    exposed = select(Exposure.stage_id, Exposure.version, func.count(), crossed)
    users = session.execute(exposed.group_by(Exposure.stage_id, Exposure.version))
    by_request = (
        select(Prediction.stage_id, Prediction.version, func.count(), literal(0))
        .join(ExperimentStage, Prediction.stage_id == ExperimentStage.id)
        .join(Experiment, ExperimentStage.experiment_id == Experiment.id)
        .where(Experiment.unit == AssignmentUnit.REQUEST)
        .group_by(Prediction.stage_id, Prediction.version)
    )
    return _kept(users, 2) | _kept(session.execute(by_request), 2)


def _latencies(session: Session) -> Counts:
    found: Counter[tuple[str, int]] = Counter()
    timed = select(Prediction.version, Prediction.latency_us, func.count()).where(
        Prediction.latency_us.is_not(None)
    )
    for version, latency_us, served in session.execute(
        timed.group_by(Prediction.version, Prediction.latency_us)
    ):
        found[version, latency_bucket(latency_us or 0)] += served
    return {key: (served,) for key, served in found.items()}


def _labels(session: Session) -> Counts:
    found: Counter[tuple[Any, ...]] = Counter()
    for review, answers in _reviewed(session):
        named = tuple(int(answers[version].argmax()) for version in Version)
        found[review.experiment_id, review.is_audit, *named, review.label] += 1
    return {key: (labels,) for key, labels in found.items()}


def _confidences(session: Session) -> Counts:
    found: dict[tuple[Any, ...], tuple[int, int, int]] = {}
    for review, answers in _reviewed(session):
        if review.label > NOT_A_DIGIT:
            continue
        for version in Version:
            sure = float(answers[version].max())
            key = (review.experiment_id, review.is_audit, version, sureness_bucket(sure))
            labels, correct, millionths = found.get(key, (0, 0, 0))
            is_correct = int(answers[version].argmax()) == review.label
            found[key] = (labels + 1, correct + is_correct, millionths + round(sure * 1_000_000))
    return {key: tuple(amounts) for key, amounts in found.items()}


def _words(session: Session) -> Counts:
    by = (func.coalesce(Feedback.experiment_id, 0), func.coalesce(Feedback.version, ""))
    correct, eligible = (
        case((each, 1), else_=0) for each in (Feedback.correct, Feedback.is_eligible)
    )
    sums = [func.sum(each) for each in (correct, eligible, correct * eligible)]
    query = select(*by, func.count(), *sums).group_by(*by)
    return _kept(session.execute(query), len(by))


def _reviewed(session: Session) -> Iterator[tuple[Review, VersionProbabilities]]:
    evidence = select(Review).where(Review.experiment_id.is_not(None))
    for review in session.scalars(evidence.execution_options(yield_per=1_000)):
        yield review, reviews.get_probabilities(session, review.prediction_id)


def _kept(rows: Iterable[Sequence[Any]], keys: int) -> Counts:
    found = {tuple(row[:keys]): tuple(map(int, row[keys:])) for row in rows}
    return {key: amounts for key, amounts in found.items() if any(amounts)}


_STAGE, _PART = ("stage_id", "version"), ("experiment_id", "is_audit")
_NAMED, _RANGE = ("v1_digit", "v2_digit", "label"), ("version", "bucket")
_SPOKEN = ("total", "correct", "eligible", "eligible_correct")

COUNTERS = {
    "answers": CounterSpec(TrafficCount, _STAGE, ("served", "disagreements"), _answers),
    "units": CounterSpec(TrafficCount, _STAGE, ("assigned_units", "crossed_over"), _units),
    "latencies": CounterSpec(LatencyCount, _RANGE, ("served",), _latencies),
    "labels": CounterSpec(LabelCount, _PART + _NAMED, ("labels",), _labels),
    "confidences": CounterSpec(
        ConfidenceCount,
        _PART + _RANGE,
        ("labels", "correct", "confidence_sum_millionths"),
        _confidences,
    ),
    "words": CounterSpec(FeedbackCount, ("experiment_id", "version"), _SPOKEN, _words),
}
