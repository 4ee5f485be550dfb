"""Experiments, answers, what people said of them, and the review queue."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    Uuid,
    false,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class Experiment(Base):
    """An A/B test of one pair of models; without an end it is the one that runs.

    The `winner_` columns are its verdict at the moment when it first named a winner; `voided_at`
    is when versions were first found not to be drawn as set.
    """

    __tablename__ = "experiment"
    __table_args__ = (CheckConstraint("unit IN ('request', 'user')", name="unit"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    v1_model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    v2_model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    unit: Mapped[str] = mapped_column(String(7))
    salt: Mapped[str] = mapped_column(String(32))
    ramp: Mapped[list[float]] = mapped_column(JSON)
    ramp_units: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_reason: Mapped[str | None] = mapped_column(String(20))
    voided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    winner: Mapped[str | None] = mapped_column(String(2))
    winner_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    winner_discordant: Mapped[int | None]
    winner_v2_wins: Mapped[int | None]
    winner_e_value: Mapped[float | None]


class ExperimentStage(Base):
    """A time at one weight; the last stage of all says how A/B traffic is divided now."""

    __tablename__ = "experiment_stage"

    id: Mapped[int] = mapped_column(primary_key=True)
    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiment.id"), index=True)
    weight: Mapped[float]
    reason: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Prediction(Base):
    """An answer that left, and for A/B what the version that was not drawn would have said.

    Erased, it keeps what the versions said and loses its owner and its image.
    """

    __tablename__ = "prediction"
    __table_args__ = (
        CheckConstraint("version IN ('v1', 'v2')", name="version"),
        Index(None, "user_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[str] = mapped_column(String(2))
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    predicted_digit: Mapped[int]
    probabilities: Mapped[bytes] = mapped_column(LargeBinary(40))
    digit_image: Mapped[bytes | None] = mapped_column(LargeBinary(784))
    latency_us: Mapped[int | None]
    stage_id: Mapped[int | None] = mapped_column(ForeignKey("experiment_stage.id"))
    assignment_probability: Mapped[float | None]
    shadow_model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    shadow_digit: Mapped[int | None]
    shadow_probabilities: Mapped[bytes | None] = mapped_column(LargeBinary(40))


class Feedback(Base):
    """Somebody's word on an answer; old clients name no prediction, old rows not always a digit.

    `is_eligible` marks those that the users' view of their experiment rests on.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        Index(None, "experiment_id", "image_hash"),
        Index(None, "experiment_id", "user_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    prediction: Mapped[int | None]
    correct: Mapped[bool]
    comment: Mapped[str | None] = mapped_column(String(1000))
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("user.id", ondelete="CASCADE"), index=True
    )
    prediction_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("prediction.id", ondelete="CASCADE"), unique=True
    )
    digit: Mapped[int | None]
    not_a_digit: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[str | None] = mapped_column(String(2))
    experiment_id: Mapped[int | None] = mapped_column(ForeignKey("experiment.id"))
    image_hash: Mapped[str | None] = mapped_column(String(32))
    is_eligible: Mapped[bool] = mapped_column(server_default=false())


class Exposure(Base):
    """A user who met a version in a stage of an experiment that assigns users, under a hash.

    `crossed_over` where they had met the other version there before.
    """

    __tablename__ = "exposure"

    stage_id: Mapped[int] = mapped_column(ForeignKey("experiment_stage.id"), primary_key=True)
    unit_hash: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[str] = mapped_column(String(2), primary_key=True)
    crossed_over: Mapped[bool] = mapped_column(server_default=false())


class ReviewItem(Base):
    """A picture that waits for a reviewer, at a place that a hash drew.

    Of no experiment is what a user's word flagged: it is learned from and is no evidence.
    """

    __tablename__ = "review_item"
    __table_args__ = (
        Index(None, "experiment_id", "is_open", "is_audit", "order_key"),
        UniqueConstraint("experiment_id", "image_hash"),
        Index(
            "uq_review_item_flagged",
            "image_hash",
            unique=True,
            sqlite_where=text("experiment_id IS NULL"),
            postgresql_where=text("experiment_id IS NULL"),
        ),
    )

    prediction_id: Mapped[UUID] = mapped_column(
        ForeignKey("prediction.id", ondelete="CASCADE"), primary_key=True
    )
    experiment_id: Mapped[int | None] = mapped_column(ForeignKey("experiment.id"))
    image_hash: Mapped[str] = mapped_column(String(32))
    is_audit: Mapped[bool]
    is_open: Mapped[bool] = mapped_column(server_default=true())
    order_key: Mapped[int] = mapped_column(BigInteger)
    leased_by: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Review(Base):
    """What a reviewer said of a picture: its digit, that it shows none, or nothing (a skip)."""

    __tablename__ = "review"
    __table_args__ = (
        Index(None, "experiment_id"),
        Index(None, "reviewer_id", "id"),
        Index(None, "prediction_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    experiment_id: Mapped[int | None] = mapped_column(ForeignKey("experiment.id"))
    prediction_id: Mapped[UUID] = mapped_column(ForeignKey("prediction.id"))
    reviewer_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    is_audit: Mapped[bool]
    label: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AttentionCheck(Base):
    """A picture with a known digit, shown to a reviewer among the others; what they said of it."""

    __tablename__ = "attention_check"
    __table_args__ = (Index(None, "reviewer_id"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    reviewer_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    image_index: Mapped[int]
    true_digit: Mapped[int]
    answer: Mapped[int | None]
    leased_until: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
