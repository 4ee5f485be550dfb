"""User accounts and their logins."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, Uuid, false
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class User(Base):
    """An account; without a password hash nobody can log in to it.

    `notification_kinds` is what the user wants to be mailed about; no mail is sent before
    `next_mail_at`.
    """

    __tablename__ = "user"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  ids are never reused

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(80), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(60))
    email: Mapped[str | None] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(10), server_default="user")
    locked: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    notification_kinds: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    next_mail_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LoginSession(Base):
    """A login with all the tokens that come from it: a refresh-token family."""

    __tablename__ = "login_session"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    refresh_jti: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
