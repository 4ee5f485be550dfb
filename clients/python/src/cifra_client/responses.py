"""What users receive: their account, their predictions, feedback, and more."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cifra_client.loading import json_field


@dataclass(frozen=True)
class Account:
    """A user account."""

    id: int
    username: str
    role: str = "user"
    locked: bool = False


@dataclass(frozen=True)
class Model:
    """The trained model of a prediction."""

    name: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class ModelOutput:
    """A model's output for an image; `probabilities` has ten, by digit, that sum to 1."""

    digit: int = json_field("prediccion")
    probability: float = json_field("probabilidad")
    probabilities: tuple[float, ...] = json_field("probabilidades")
    version: str
    model: Model


@dataclass(frozen=True, kw_only=True)
class Prediction(ModelOutput):
    """A prediction; feedback refers to its `id`. A `warning` says why it is doubtful."""

    id: str = json_field("prediction_id")
    warning: str | None = None


@dataclass(frozen=True)
class Feedback:
    """The feedback given on a prediction."""

    correct: bool
    digit: int | None
    not_a_digit: bool
    comment: str | None


@dataclass(frozen=True, kw_only=True)
class PastPrediction(Prediction):
    """One of the user's own predictions; `shadow_prediction` is shown after feedback."""

    created_at: datetime
    feedback: Feedback | None
    shadow_prediction: ModelOutput | None = None


@dataclass(frozen=True)
class ReviewItem:
    """An image to be labeled blind: a PNG of 28x28, with the numbers of pending items."""

    prediction_id: str
    image: bytes
    leased_until: datetime
    pending: int
    user_flagged: int


@dataclass(frozen=True)
class RetrainJob:
    """A retrain job, its progress and its result.

    It ends as deployed, ready (it passed, and can be deployed), rejected, cancelled or failed.
    """

    id: int
    version: str
    status: str
    error: str | None
    stage: str | None
    progress: float | None
    seconds_left: float | None
    gates: tuple[Mapping[str, Any], ...]
    model_id: int | None

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.status not in {"queued", "running"}


@dataclass(frozen=True)
class DeployedModel:
    """A model that was deployed."""

    id: int
    name: str
    hash: str


@dataclass(frozen=True)
class Deployment:
    """The deployment of a model as a version: when, why, and by whom (None: by the server)."""

    id: int
    version: str
    model: DeployedModel
    reason: str
    user_id: int | None
    created_at: datetime


@dataclass(frozen=True)
class Alert:
    """An automatic event that admins should know of."""

    id: int
    kind: str
    message: str
    created_at: datetime
