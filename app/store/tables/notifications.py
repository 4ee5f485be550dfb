"""What waits to be mailed."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class Notification(Base):
    """The outbox: something that one admin is to be told; it goes when it was mailed."""

    __tablename__ = "notification"
    __table_args__ = (  # no id is ever used again: a process may remove late what it mailed
        Index(None, "user_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(10))
    message: Mapped[str] = mapped_column(String(400))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
