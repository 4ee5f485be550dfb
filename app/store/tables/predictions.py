"""Predictions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class Prediction(Base):
    """A prediction that was returned; for A/B, also the other version's shadow prediction.

    Once erased, it keeps what the versions predicted and loses its owner and its image.
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
