"""Models, what serves, how new ones do, and the retrains that make them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class Model(Base):
    """A trained model: an immutable ONNX artefact, named by its checksum.

    `version` is what a retrain made it for; `rejection_reason` is why it may not serve, if any.
    """

    __tablename__ = "model"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    artifact: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    is_bundled: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[str | None] = mapped_column(String(2))
    rejection_reason: Mapped[str | None] = mapped_column(String(200))


class Deployment(Base):
    """A model put into service as a version; rows are only ever added."""

    __tablename__ = "deployment"
    __table_args__ = (
        CheckConstraint("version IN ('v1', 'v2')", name="version"),
        Index(None, "version", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(String(2))
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    reason: Mapped[str] = mapped_column(String(200))
    is_rollback: Mapped[bool] = mapped_column(server_default=false())
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class GuardedRollout(Base):
    """A newly deployed model that its predecessor shadows, until one of them is shown to be better.

    Without `closed_at` it is open; `outcome` is how it was closed.
    """

    __tablename__ = "guarded_rollout"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(String(2))
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    predecessor_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(String(12))


class RolloutComparison(Base):
    """An A/B request that a guard saw: what the model named, what its predecessor would have.

    `versions_disagree` where the other version disagreed with the model too, as an experiment
    asks about.
    """

    __tablename__ = "rollout_comparison"

    rollout_id: Mapped[int] = mapped_column(ForeignKey("guarded_rollout.id"), primary_key=True)
    prediction_id: Mapped[UUID] = mapped_column(ForeignKey("prediction.id"), primary_key=True)
    predicted_digit: Mapped[int]
    predecessor_digit: Mapped[int]
    versions_disagree: Mapped[bool]


class Alert(Base):
    """Something that happened by itself and that an admin should know of."""

    __tablename__ = "alert"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    message: Mapped[str] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RetrainJob(Base):
    """A retrain that was asked for and what became of it; the row is the truth.

    Whoever trains renews `lease_until`, and writes only while `fencing_token`, which every claim
    increases, is still the number that they claimed it with.
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
