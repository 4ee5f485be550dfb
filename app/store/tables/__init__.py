"""The tables, as SQLAlchemy maps them; migrations/ brings a database to this state.

`user` and `feedback` are the old program's tables, grown. A digit image is its 784 bytes, row by
row; probabilities are ten little-endian float32.
"""

from app.store.tables.base import Base, UtcDateTime
from app.store.tables.evidence import (
    Experiment,
    Exposure,
    Feedback,
    Prediction,
    Probe,
    Review,
    ReviewItem,
    Stage,
)
from app.store.tables.mail import Notice
from app.store.tables.people import LoginSession, User
from app.store.tables.serving import Alert, Deployment, Guard, GuardCase, Model, RetrainJob

__all__ = [
    "Alert",
    "Base",
    "Deployment",
    "Experiment",
    "Exposure",
    "Feedback",
    "Guard",
    "GuardCase",
    "LoginSession",
    "Model",
    "Notice",
    "Prediction",
    "Probe",
    "RetrainJob",
    "Review",
    "ReviewItem",
    "Stage",
    "User",
    "UtcDateTime",
]
