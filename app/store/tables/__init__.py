"""The tables, as SQLAlchemy maps them; migrations/ brings a database to this state.

`user` and `feedback` are the old program's tables, grown. A digit image is its 784 bytes, row by
row; probabilities are ten little-endian float32.
"""

from app.store.tables.accounts import LoginSession, User
from app.store.tables.base import Base, UtcDateTime
from app.store.tables.experiments import (
    AttentionCheck,
    Experiment,
    ExperimentStage,
    Exposure,
    Feedback,
    Prediction,
    Review,
    ReviewItem,
)
from app.store.tables.models import (
    Alert,
    Deployment,
    GuardedRollout,
    Model,
    RetrainJob,
    RolloutComparison,
)
from app.store.tables.notifications import Notification

__all__ = [
    "Alert",
    "AttentionCheck",
    "Base",
    "Deployment",
    "Experiment",
    "ExperimentStage",
    "Exposure",
    "Feedback",
    "GuardedRollout",
    "LoginSession",
    "Model",
    "Notification",
    "Prediction",
    "RetrainJob",
    "Review",
    "ReviewItem",
    "RolloutComparison",
    "User",
    "UtcDateTime",
]
