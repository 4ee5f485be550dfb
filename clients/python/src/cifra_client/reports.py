"""The report: what people said, and which version is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Estimate:
    """A share in 0..1, with its interval; no value where nothing is known."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Interval:
    """Both ends."""

    low: float
    high: float


@dataclass(frozen=True)
class Latency:
    """Milliseconds that half, and that all but one in a hundred, of the answers took at most."""

    p50: float | None
    p99: float | None


@dataclass(frozen=True)
class Calibration:
    """Answers within a range of confidence: how sure, and how often right."""

    low: float
    high: float
    labels: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class VersionReport:
    """What is known of a version.

    `confusion_matrix` holds requests: eleven rows by what the images show (the digits, then "no
    digit"), ten columns by what was named.
    """

    served: int
    feedback_count: int
    correct: int
    response_rate: float
    latency_ms: Latency
    accuracy: Estimate
    confusion_matrix: tuple[tuple[float, ...], ...]
    calibration: tuple[Calibration, ...]


@dataclass(frozen=True)
class Winner:
    """The version that was named, and when."""

    version: str
    named_at: datetime


@dataclass(frozen=True)
class Experiment:
    """An A/B test with its verdict, and what that rests on."""

    id: int
    running: bool
    unit: str
    weight: float
    started_at: datetime
    ended_at: datetime | None
    winner: Winner | None
    verdict: str
    reason: str | None
    e_value: float
    accuracy_difference: Interval
    labels: Mapping[str, int]
    labels_needed: int | None
    requests: int
    disagreements: int
    served: Mapping[str, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class UserFeedbackCounts:
    """Words of users that their view counts."""

    eligible: int
    eligible_correct: int


@dataclass(frozen=True)
class UserFeedback:
    """What users volunteered; it does not affect the verdict."""

    note: str
    versions: Mapping[str, UserFeedbackCounts]
    difference: Interval


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The versions held against each other."""

    versions: Mapping[str, VersionReport]
    experiment: Experiment | None
    user_feedback: UserFeedback | None


@dataclass(frozen=True, kw_only=True)
class Report(Comparison):
    """Everything that an admin sees at a glance; no accuracy before anybody said anything."""

    total_feedback: int = 0
    correct_feedback: int = 0
    incorrect_feedback: int = 0
    accuracy_percentage: float | None = None
