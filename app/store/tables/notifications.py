"""The outbox of notification mails."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class Notification(Base):
    """A notification for one admin, kept until it has been mailed."""

    __tablename__ = "notification"
    __table_args__ = (
        Index(None, "user_id", "id"),
        # Ids are never reused: a process may delete a notification long after it mailed it.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(10))
    message: Mapped[str] = mapped_column(String(400))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
