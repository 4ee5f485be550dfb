"""The last known state of the system clock."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables.base import Base, UtcDateTime


class ClockRecord(Base):
    """When a server last ran, by its clock, and until when the clock is not trusted; one row."""

    __tablename__ = "clock_record"

    id: Mapped[int] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    untrusted_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
