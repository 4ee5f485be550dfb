"""The tables, as SQLAlchemy maps them; migrations/ brings a database to this state.

`user` and `feedback` are the old program's tables, grown. A digit image is its 784 bytes, row by
row; probabilities are ten little-endian float32.
"""

from app.store.tables.base import Base, UtcDateTime
from app.store.tables.evidence import (
    AttentionCheck,
    Experiment,
    ExperimentStage,
    Exposure,
    Feedback,
    Prediction,
    Review,
    ReviewItem,
)
from app.store.tables.mail import Notification
from app.store.tables.people import LoginSession, User
from app.store.tables.serving import (
    Alert,
    Deployment,
    GuardedRollout,
    Model,
    RetrainJob,
    RolloutComparison,
)

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
