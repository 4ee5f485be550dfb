"""Experiments, their stages and the users exposed to a version."""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class Experiment(Base):
    """An A/B test of one pair of models; the one without `ended_at` is running.

    The `winner_` columns are the verdict at the moment when a winner was first declared;
    `voided_at` is when a sample ratio mismatch was first found.
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
    """A period at one weight; the newest stage of all sets the current traffic split."""

    __tablename__ = "experiment_stage"

    id: Mapped[int] = mapped_column(primary_key=True)
    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiment.id"), index=True)
    weight: Mapped[float]
    reason: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Exposure(Base):
    """A user, as a hash, exposed to a version in a stage of an experiment that assigns users.

    `crossed_over` is set if the user was exposed to the other version in this stage before.
    """

    __tablename__ = "exposure"

    stage_id: Mapped[int] = mapped_column(ForeignKey("experiment_stage.id"), primary_key=True)
    unit_hash: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[str] = mapped_column(String(2), primary_key=True)
    crossed_over: Mapped[bool] = mapped_column(server_default=false())
