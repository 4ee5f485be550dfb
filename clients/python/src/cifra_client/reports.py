"""The report: user feedback, and which version is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Estimate:
    """A share in 0..1 with its interval; no value without data."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Interval:
    """Both ends of an interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Latency:
    """The 50th and 99th percentile of the latency, in milliseconds."""

    p50: float | None
    p99: float | None


@dataclass(frozen=True)
class Calibration:
    """Predictions within a range of confidence: their mean confidence and their accuracy."""

    low: float
    high: float
    labels: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class VersionReport:
    """What is known of a version.

    `confusion_matrix` counts requests: eleven rows by label (the digits, then "no digit"), ten
    columns by predicted digit.
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
    """The version that was named the winner, and when."""

    version: str
    named_at: datetime


@dataclass(frozen=True)
class Experiment:
    """An A/B test with its verdict and the evidence."""

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
    """The ratings of users that are counted."""

    eligible: int
    eligible_correct: int


@dataclass(frozen=True)
class UserFeedback:
    """What users volunteered; it never affects the verdict."""

    note: str
    versions: Mapping[str, UserFeedbackCounts]
    difference: Interval


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison of both versions."""

    versions: Mapping[str, VersionReport]
    experiment: Experiment | None
    user_feedback: UserFeedback | None


@dataclass(frozen=True, kw_only=True)
class Report(Comparison):
    """The admin's report; without feedback there is no accuracy percentage."""

    total_feedback: int = 0
    correct_feedback: int = 0
    incorrect_feedback: int = 0
    accuracy_percentage: float | None = None
