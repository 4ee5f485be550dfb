"""The report: what people said of the answers, and which version is better; read from counters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.assignment import Version
from app.domain.intervals import Interval, Mean, difference_sequence
from app.domain.latency_histogram import quantile_ms
from app.domain.verdicts import ALPHA, Estimate
from app.domain.verdicts import Traffic as Compared
from app.services.experiments.evaluation import served_by, traffic_of, within
from app.services.experiments.lifecycle import Summary, newest_in
from app.services.reporting.version_metrics import Calibration, LabelledTraffic
from app.store.engine.db import reading
from app.store.queries import counters, experiments, reviews
from app.store.queries.counters import Spoken

FEWEST_WORDS = 30  # of each version; the sequence holds for many words, not for a few


@dataclass(frozen=True)
class Words:
    """How many words there are, and how many of them call the answer right."""

    total: int
    correct: int


@dataclass(frozen=True)
class VersionReport:
    """What is known of a version; labels are those of the current experiment.

    `confusion` holds estimated requests: rows by what the picture shows, the ten digits and then
    "no digit", columns by what the version named.
    """

    served: int
    words: Words
    latency_ms: Mapping[str, float | None]
    accuracy: Estimate
    confusion: Sequence[Sequence[float]]
    calibration: Sequence[Calibration]


@dataclass(frozen=True)
class UsersView:
    """What users volunteered on served answers; neither blind nor asked for, so no verdict."""

    words: Mapping[Version, Words]
    difference: Interval


@dataclass(frozen=True)
class Report:
    """Everything that an admin sees at a glance."""

    words: Words
    versions: Mapping[Version, VersionReport]
    experiment: Summary | None
    users_view: UsersView | None


@dataclass(frozen=True)
class Traffic:
    """What is served, in all and in the current experiment, and what waits for a reviewer."""

    served: Mapping[Version, int]
    latency_ms: Mapping[Version, Mapping[str, float | None]]
    compared: Compared
    waiting: int


def traffic() -> Traffic:
    """How much is served, and how fast; far cheaper than the report."""
    with reading() as session:
        drawn, latencies = counters.drawn(session), counters.latencies(session)
        experiment = experiments.newest(session)
        stages = [] if experiment is None else experiments.stages(session, experiment.id)
        waiting = 0 if experiment is None else reviews.waiting(session, experiment.id).total
    return Traffic(
        served={version: served_by(version, drawn) for version in Version},
        latency_ms={version: _latency_ms(latencies.get(version, {})) for version in Version},
        compared=traffic_of(within(stages, drawn)),
        waiting=waiting,
    )


def spoken() -> tuple[Words, Mapping[Version, Words]]:
    """What users said, of all answers and of each version's."""
    with reading() as session:
        found = counters.spoken(session)
    return _words(found), {version: _words_on(found, version) for version in Version}


def make() -> Report:
    """Add the counters up; the cost does not grow with the rows behind them."""
    with reading() as session:
        experiment = newest_in(session)
        drawn, words = counters.drawn(session), counters.spoken(session)
        latencies = counters.latencies(session)
        sureness = [] if experiment is None else counters.sureness(session, experiment.id)
    labelled = LabelledTraffic.of(experiment, sureness)
    return Report(
        words=_words(words),
        versions={
            version: VersionReport(
                served=served_by(version, drawn),
                words=_words_on(words, version),
                latency_ms=_latency_ms(latencies.get(version, {})),
                accuracy=labelled.accuracy(version),
                confusion=labelled.confusion(version),
                calibration=labelled.calibration(version),
            )
            for version in Version
        },
        experiment=experiment,
        users_view=None if experiment is None else _users_view(words, experiment.id),
    )


def _latency_ms(counts: Mapping[int, int]) -> dict[str, float | None]:
    return {"p50": quantile_ms(counts, 0.5), "p99": quantile_ms(counts, 0.99)}


def _words(spoken: Sequence[Spoken]) -> Words:
    return Words(sum(each.words for each in spoken), sum(each.correct for each in spoken))


def _words_on(spoken: Sequence[Spoken], version: Version) -> Words:
    return _words([each for each in spoken if each.version == version])


def _users_view(spoken: Sequence[Spoken], experiment_id: int) -> UsersView:
    words = {
        version: Words(each.counted, each.counted_correct)
        for version in Version
        for each in spoken
        if each.experiment_id == experiment_id and each.version == version
    }
    words = {version: words.get(version, Words(0, 0)) for version in Version}
    first, second = (_mean(words[version]) for version in Version)
    if min(first.count, second.count) < FEWEST_WORDS:
        return UsersView(words, Interval(-1.0, 1.0))
    return UsersView(words, difference_sequence(first, second, ALPHA))


def _mean(words: Words) -> Mean:
    """Their mean, with a variance that a few words of one kind do not make nil."""
    likely = (words.correct + 1) / (words.total + 2)
    return Mean(words.total, words.correct / max(words.total, 1), likely * (1 - likely))
