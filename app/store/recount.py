"""Every counter worked out from rows again, beside what the counters say."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.domain.assignment import Unit, Version
from app.domain.latencies import bucket_of as latency_bucket
from app.domain.sureness import bucket_of as sureness_bucket
from app.store import predictions
from app.store.counters import ConfidenceCount, LabelCount, LatencyCount, TrafficCount, WordCount
from app.store.predictions import Answers
from app.store.reviews import SKIPPED
from app.store.tables import Base, Experiment, Exposure, Feedback, Prediction, Review, Stage

Counts = dict[tuple[Any, ...], tuple[int, ...]]
"""What was counted, by key; keys with nothing but noughts are left out."""


def counted(session: Session) -> dict[str, Counts]:
    """What the counters say, over all workers."""
    stage, version = ("stage_id",), ("version",)
    part = ("experiment_id", "is_audit")
    return {
        "answers": _sums(session, TrafficCount, stage + version, "served", "disagreements"),
        "units": _sums(session, TrafficCount, stage + version, "units"),
        "crossovers": _sums(session, TrafficCount, stage, "crossed"),
        "latencies": _sums(session, LatencyCount, ("version", "bucket"), "served"),
        "labels": _sums(session, LabelCount, (*part, "v1_digit", "v2_digit", "truth"), "labels"),
        "confidences": _sums(
            session, ConfidenceCount, (*part, "version", "bucket"), "labels", "correct", "sure"
        ),
        "words": _sums(
            session,
            WordCount,
            ("experiment_id", "version"),
            *("words", "correct", "counted", "counted_correct"),
        ),
    }


def recounted(session: Session) -> dict[str, Counts]:
    """The same from rows."""
    return {
        "answers": _answers(session),
        "units": _units(session),
        "crossovers": _crossovers(session),
        "latencies": _latencies(session),
        "labels": _labels(session),
        "confidences": _confidences(session),
        "words": _words(session),
    }


def _sums(session: Session, table: type[Base], keys: Sequence[str], *amounts: str) -> Counts:
    columns = table.__table__.columns
    by, sums = [columns[key] for key in keys], [func.sum(columns[name]) for name in amounts]
    return _kept(session.execute(select(*by, *sums).group_by(*by)), len(keys))


def _answers(session: Session) -> Counts:
    by = (func.coalesce(Prediction.stage_id, 0), Prediction.version)
    disagrees = case((Prediction.shadow_digit != Prediction.digit, 1), else_=0)
    query = select(*by, func.count(), func.sum(disagrees)).group_by(*by)
    return _kept(session.execute(query), len(by))


def _units(session: Session) -> Counts:
    """Exposed users where an experiment assigns users, requests where it assigns those."""
    exposed = select(Exposure.stage_id, Exposure.version, func.count())
    users = session.execute(exposed.group_by(Exposure.stage_id, Exposure.version))
    by_request = (
        select(Prediction.stage_id, Prediction.version, func.count())
        .join(Stage, Prediction.stage_id == Stage.id)
        .join(Experiment, Stage.experiment_id == Experiment.id)
        .where(Experiment.unit == Unit.REQUEST)
        .group_by(Prediction.stage_id, Prediction.version)
    )
    return _kept(users, 2) | _kept(session.execute(by_request), 2)


def _crossovers(session: Session) -> Counts:
    """Users who met both versions within a stage."""
    users = func.count(Exposure.unit_hash.distinct())
    query = select(Exposure.stage_id, func.count() - users).group_by(Exposure.stage_id)
    return _kept(session.execute(query), 1)


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
        found[review.experiment_id, review.is_audit, *named, review.truth] += 1
    return {key: (labels,) for key, labels in found.items()}


def _confidences(session: Session) -> Counts:
    found: dict[tuple[Any, ...], tuple[int, int, int]] = {}
    for review, answers in _reviewed(session):
        if review.truth == SKIPPED:
            continue
        for version in Version:
            sure = float(answers[version].max())
            key = (review.experiment_id, review.is_audit, version, sureness_bucket(sure))
            labels, correct, millionths = found.get(key, (0, 0, 0))
            is_correct = int(answers[version].argmax()) == review.truth
            found[key] = (labels + 1, correct + is_correct, millionths + round(sure * 1_000_000))
    return {key: tuple(amounts) for key, amounts in found.items()}


def _words(session: Session) -> Counts:
    by = (func.coalesce(Feedback.experiment_id, 0), func.coalesce(Feedback.version, ""))
    correct, counted_ = (case((each, 1), else_=0) for each in (Feedback.correct, Feedback.counted))
    sums = [func.sum(each) for each in (correct, counted_, correct * counted_)]
    query = select(*by, func.count(), *sums).group_by(*by)
    return _kept(session.execute(query), len(by))


def _reviewed(session: Session) -> Iterator[tuple[Review, Answers]]:
    for review in session.scalars(select(Review).execution_options(yield_per=1_000)):
        yield review, predictions.answers(session, review.prediction_id)


def _kept(rows: Iterable[Sequence[Any]], keys: int) -> Counts:
    found = {tuple(row[:keys]): tuple(map(int, row[keys:])) for row in rows}
    return {key: amounts for key, amounts in found.items() if any(amounts)}
