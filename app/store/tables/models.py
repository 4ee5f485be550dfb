"""Models, deployments and guarded rollouts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class Model(Base):
    """A trained model: an immutable ONNX artifact, identified by its checksum.

    `version` is the version that a retrain made it for; `rejection_reason` says why it may not be
    deployed, if so.
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
    """A deployment of a model as a version; rows are only ever added."""

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
    """A newly deployed model whose predecessor runs in shadow until one proves better.

    Without `closed_at` it is active; `outcome` is its result.
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
    """The digits that a model in a guarded rollout and its predecessor predicted for a request.

    `versions_disagree` is set if the model also disagreed with the other version of a running
    experiment.
    """

    __tablename__ = "rollout_comparison"

    rollout_id: Mapped[int] = mapped_column(ForeignKey("guarded_rollout.id"), primary_key=True)
    prediction_id: Mapped[UUID] = mapped_column(ForeignKey("prediction.id"), primary_key=True)
    predicted_digit: Mapped[int]
    predecessor_digit: Mapped[int]
    versions_disagree: Mapped[bool]
