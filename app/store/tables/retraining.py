"""Retrain jobs."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class RetrainJob(Base):
    """A requested retrain and its state; this row is the only record of it.

    A worker renews `lease_until` while it trains. Every claim increments `fencing_token`, and a
    worker may write only while the token is the one of its own claim.
    """

    __tablename__ = "retrain_job"

    id: Mapped[int] = mapped_column(primary_key=True)
    requested_by: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    version: Mapped[str] = mapped_column(String(2))
    deploy: Mapped[str] = mapped_column(String(6))
    status: Mapped[str] = mapped_column(String(9))
    error: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fencing_token: Mapped[int] = mapped_column(server_default="0")
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_cancelled: Mapped[bool] = mapped_column(server_default=false())
    stage: Mapped[str | None] = mapped_column(String(20))
    progress: Mapped[float | None]
    loss: Mapped[float | None]
    seconds_left: Mapped[float | None]
    train_labels: Mapped[int | None]
    holdout_labels: Mapped[int | None]
    gates: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)
    model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    log: Mapped[str | None] = mapped_column(Text, deferred=True)
