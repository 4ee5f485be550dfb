"""What people are told: their account, their predictions, what they said of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cifra_client.loading import json_field


@dataclass(frozen=True)
class Account:
    """An account, as an answer to making or changing one."""

    id: int
    username: str
    role: str = "user"
    locked: bool = False


@dataclass(frozen=True)
class Model:
    """Which trained model it was."""

    name: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class ModelOutput:
    """What a model said of a image; `probabilities` has ten, by digit, that sum to 1."""

    digit: int = json_field("prediccion")
    probability: float = json_field("probabilidad")
    probabilities: tuple[float, ...] = json_field("probabilidades")
    version: str
    model: Model


@dataclass(frozen=True, kw_only=True)
class Prediction(ModelOutput):
    """An answer; its `id` is what words on it name."""

    id: str = json_field("prediction_id")


@dataclass(frozen=True)
class Feedback:
    """What was said of an answer."""

    correct: bool
    digit: int | None
    not_a_digit: bool
    comment: str | None


@dataclass(frozen=True, kw_only=True)
class PastPrediction(Prediction):
    """One of one's own predictions; `shadow_prediction` is told once a word was given on it."""

    created_at: datetime
    feedback: Feedback | None
    shadow_prediction: ModelOutput | None = None


@dataclass(frozen=True)
class ReviewItem:
    """A image to be labeled blind: a PNG of 28x28, and how many wait with it."""

    prediction_id: str
    image: bytes
    leased_until: datetime
    pending: int
    user_flagged: int


@dataclass(frozen=True)
class RetrainJob:
    """A retrain, how far it is, and what became of it.

    It ends as deployed, ready (it passed, and waits to be deployed), rejected, cancelled or failed.
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
        """Whether it has ended."""
        return self.status not in {"queued", "running"}


@dataclass(frozen=True)
class DeployedModel:
    """A model that was put into service."""

    id: int
    name: str
    hash: str


@dataclass(frozen=True)
class Deployment:
    """A model put into service as a version: when, why, and by whom; nobody is the server."""

    id: int
    version: str
    model: DeployedModel
    reason: str
    user_id: int | None
    created_at: datetime


@dataclass(frozen=True)
class Alert:
    """What happened by itself."""

    id: int
    kind: str
    message: str
    created_at: datetime
