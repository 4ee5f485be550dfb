"""Counters that the report adds up instead of counting rows.

They change in the transactions of the rows that they count, so they can always be recounted
(app/store/queries/counter_audit.py).
"""

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base


class TrafficCount(Base):
    """Predictions of a version, as one worker counted them; stage 0 is outside all experiments.

    `assigned_units` are requests, or users on their first exposure to the version in the stage;
    `crossed_over` are those of them who had been exposed to the other version there.
    """

    __tablename__ = "traffic_count"

    worker: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stage_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(String(2), primary_key=True)
    served: Mapped[int] = mapped_column(server_default="0")
    disagreements: Mapped[int] = mapped_column(server_default="0")
    assigned_units: Mapped[int] = mapped_column(server_default="0")
    crossed_over: Mapped[int] = mapped_column(server_default="0")


class LatencyCount(Base):
    """A latency histogram of a version's predictions, as one worker counted them."""

    __tablename__ = "latency_count"

    worker: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(String(2), primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    served: Mapped[int] = mapped_column(server_default="0")


class LabelCount(Base):
    """Reviews by the digits that both versions predicted and the reviewer's label."""

    __tablename__ = "label_count"

    experiment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    is_audit: Mapped[bool] = mapped_column(primary_key=True)
    v1_digit: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    v2_digit: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    labels: Mapped[int] = mapped_column(server_default="0")


class ConfidenceCount(Base):
    """Labeled predictions of a version by its confidence, for calibration."""

    __tablename__ = "confidence_count"

    experiment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    is_audit: Mapped[bool] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(String(2), primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    labels: Mapped[int] = mapped_column(server_default="0")
    correct: Mapped[int] = mapped_column(server_default="0")
    confidence_sum_millionths: Mapped[int] = mapped_column(BigInteger, server_default="0")


class FeedbackCount(Base):
    """Feedback by version; experiment 0 and version "" for feedback without a prediction.

    `eligible` is the feedback that the experiment's report rests on: a limited number per user and
    one per image.
    """

    __tablename__ = "feedback_count"

    experiment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(String(2), primary_key=True)
    total: Mapped[int] = mapped_column(server_default="0")
    correct: Mapped[int] = mapped_column(server_default="0")
    eligible: Mapped[int] = mapped_column(server_default="0")
    eligible_correct: Mapped[int] = mapped_column(server_default="0")
