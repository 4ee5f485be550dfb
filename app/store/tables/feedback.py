"""User feedback."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class Feedback(Base):
    """User feedback on a prediction; from old clients without its id, in old rows without a digit.

    `is_eligible` marks the feedback that counts in the report of its experiment.
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
