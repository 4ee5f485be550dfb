"""Live events, a dataclass for each kind."""

from collections.abc import Mapping
from dataclasses import dataclass

from cifra_client.reports import Comparison, Latency
from cifra_client.responses import Alert, Deployment, RetrainJob


@dataclass(frozen=True)
class VersionTraffic:
    """A version's number of predictions, their rate and latency."""

    served: int
    per_second: float
    latency_ms: Latency


@dataclass(frozen=True)
class Traffic:
    """The traffic; requests and disagreements are the current experiment's."""

    versions: Mapping[str, VersionTraffic]
    requests: int
    disagreements: int
    pending_reviews: int


@dataclass(frozen=True)
class FeedbackCounts:
    """The number of ratings of a version's predictions, and of those that say "correct"."""

    feedback_count: int
    correct: int


@dataclass(frozen=True)
class FeedbackTotals:
    """The totals of user feedback."""

    total_feedback: int
    correct_feedback: int
    incorrect_feedback: int
    accuracy_percentage: float
    versions: Mapping[str, FeedbackCounts]


@dataclass(frozen=True)
class Reviewed:
    """A reviewer labeled one of your images; no digit means "not a digit"."""

    prediction_id: str
    digit: int | None
    not_a_digit: bool


@dataclass(frozen=True)
class Reconnected:
    """The connection was lost and is restored; fetch again what may have changed meanwhile."""


Event = (
    Traffic | FeedbackTotals | Comparison | RetrainJob | Deployment | Alert | Reviewed | Reconnected
)

EVENT_TYPES: dict[str, type[Event]] = {
    "traffic": Traffic,
    "feedback": FeedbackTotals,
    "experiment": Comparison,
    "retrain": RetrainJob,
    "deployment": Deployment,
    "alert": Alert,
    "prediction": Reviewed,
}
