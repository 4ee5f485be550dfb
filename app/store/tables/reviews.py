"""The review queue, reviewers' labels and their attention checks."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    Uuid,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class ReviewItem(Base):
    """An image in the review queue, ordered by `order_key`, a hash.

    Items flagged by user feedback have no experiment: they are used for training, not for the
    verdict.
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
    """A reviewer's label of an image: a digit, not a digit, or a skip (domain/review_labels.py)."""

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
    """An image with a known digit, mixed into a reviewer's queue, and the reviewer's answer."""

    __tablename__ = "attention_check"
    __table_args__ = (Index(None, "reviewer_id"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    reviewer_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    image_index: Mapped[int]
    true_digit: Mapped[int]
    answer: Mapped[int | None]
    leased_until: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
