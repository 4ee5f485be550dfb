"""The tables, as SQLAlchemy maps them; migrations/ brings a database to this state.

`user` and `feedback` are the old program's tables, grown. A digit image is its 784 bytes, row by
row; probabilities are ten little-endian float32.
"""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    false,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite, which keeps no zone, gets it back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Refuse a time without a zone, store the rest as UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Give the zone back to what SQLite stored."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The root of all tables."""

    metadata = MetaData(naming_convention=_NAMES)


class User(Base):
    """An account; without a password hash nobody can log in to it."""

    __tablename__ = "user"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  no id is ever used again

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(80), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(60))
    email: Mapped[str | None] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(10), server_default="user")
    locked: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LoginSession(Base):
    """One login and all tokens that come from it: the refresh family."""

    __tablename__ = "login_session"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    refresh_jti: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Model(Base):
    """A trained model: an immutable ONNX artefact, named by its checksum."""

    __tablename__ = "model"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    artefact: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    shipped: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


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
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


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
    winner_informative: Mapped[int | None]
    winner_v2_alone: Mapped[int | None]
    winner_e_value: Mapped[float | None]


class Stage(Base):
    """A time at one weight; the last stage of all says how A/B traffic is divided now."""

    __tablename__ = "stage"

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
    digit: Mapped[int]
    probabilities: Mapped[bytes] = mapped_column(LargeBinary(40))
    image: Mapped[bytes | None] = mapped_column(LargeBinary(784))
    latency_us: Mapped[int | None]
    stage_id: Mapped[int | None] = mapped_column(ForeignKey("stage.id"))
    assignment_probability: Mapped[float | None]
    shadow_model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    shadow_digit: Mapped[int | None]
    shadow_probabilities: Mapped[bytes | None] = mapped_column(LargeBinary(40))


class Feedback(Base):
    """Somebody's word on an answer; old clients name no prediction, old rows not always a digit.

    `counted` words are those that the users' view of their experiment rests on.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        Index(None, "experiment_id", "picture_hash"),
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
    picture_hash: Mapped[str | None] = mapped_column(String(32))
    counted: Mapped[bool] = mapped_column(server_default=false())


class Exposure(Base):
    """A user who met a version in a stage of an experiment that assigns users, under a hash.

    `crossed` where they had met the other version there before.
    """

    __tablename__ = "exposure"

    stage_id: Mapped[int] = mapped_column(ForeignKey("stage.id"), primary_key=True)
    unit_hash: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[str] = mapped_column(String(2), primary_key=True)
    crossed: Mapped[bool] = mapped_column(server_default=false())


class ReviewItem(Base):
    """A picture that waits for a reviewer, at a place that its id's hash drew."""

    __tablename__ = "review_item"
    __table_args__ = (
        Index(None, "experiment_id", "is_open", "is_audit", "place"),
        UniqueConstraint("experiment_id", "picture_hash"),
    )

    prediction_id: Mapped[UUID] = mapped_column(
        ForeignKey("prediction.id", ondelete="CASCADE"), primary_key=True
    )
    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiment.id"))
    picture_hash: Mapped[str] = mapped_column(String(32))
    is_audit: Mapped[bool]
    is_open: Mapped[bool] = mapped_column(server_default=true())
    place: Mapped[int] = mapped_column(BigInteger)
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
    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiment.id"))
    prediction_id: Mapped[UUID] = mapped_column(ForeignKey("prediction.id"))
    reviewer_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    is_audit: Mapped[bool]
    truth: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RetrainJob(Base):
    """A retrain that was asked for and what became of it; the row is the truth."""

    __tablename__ = "retrain_job"

    id: Mapped[int] = mapped_column(primary_key=True)
    requested_by: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    version: Mapped[str] = mapped_column(String(2))
    deploy: Mapped[str] = mapped_column(String(6))
    status: Mapped[str] = mapped_column(String(9))
    error: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
