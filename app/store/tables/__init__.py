"""The tables, as SQLAlchemy maps them; migrations/ brings a database to this state.

`user` and `feedback` are the tables of the service before Cifra, extended. A digit image is stored
as its 784 bytes, row by row; probabilities as ten little-endian float32.
"""

from app.store.tables.accounts import LoginSession, User
from app.store.tables.alerts import Alert
from app.store.tables.base import Base, UtcDateTime
from app.store.tables.clock import ClockRecord
from app.store.tables.counters import (
    ConfidenceCount,
    FeedbackCount,
    LabelCount,
    LatencyCount,
    TrafficCount,
)
from app.store.tables.experiments import Experiment, ExperimentStage, Exposure
from app.store.tables.feedback import Feedback
from app.store.tables.models import Deployment, GuardedRollout, Model, RolloutComparison
from app.store.tables.notifications import Notification
from app.store.tables.predictions import Prediction
from app.store.tables.retraining import RetrainJob
from app.store.tables.reviews import AttentionCheck, Review, ReviewItem

__all__ = [
    "Alert",
    "AttentionCheck",
    "Base",
    "ClockRecord",
    "ConfidenceCount",
    "Deployment",
    "Experiment",
    "ExperimentStage",
    "Exposure",
    "Feedback",
    "FeedbackCount",
    "GuardedRollout",
    "LabelCount",
    "LatencyCount",
    "LoginSession",
    "Model",
    "Notification",
    "Prediction",
    "RetrainJob",
    "Review",
    "ReviewItem",
    "RolloutComparison",
    "TrafficCount",
    "User",
    "UtcDateTime",
]
