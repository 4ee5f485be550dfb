"""Queries on the outbox: notifications that are not mailed yet."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from app.domain.clock_skew import latest_end
from app.domain.credentials import is_valid_email
from app.domain.notifications import Notification, NotificationKind, single_line
from app.domain.roles import Role
from app.store import tables
from app.store.tables import User

MAX_MESSAGE_CHARS = 400


@dataclass(frozen=True)
class OutboxSize:
    """How many notifications are not mailed yet, and when the oldest was added."""

    count: int
    oldest_at: datetime | None


def add(session: Session, kind: NotificationKind, message: str) -> None:
    """Add a notification for every admin who subscribed to its kind.

    Called in the transaction of the event itself, so that neither exists without the other. The
    lock keeps the admins' accounts from being deleted before the commit. An account that is being
    deleted gets none: waiting for it here, after other rows were locked, would break the lock order
    (db.py).
    """
    admins = select(User).where(User.role == Role.ADMIN, User.email.is_not(None)).order_by(User.id)
    created_at = datetime.now(UTC)
    session.add_all(
        tables.Notification(
            user_id=user.id,
            kind=kind,
            message=single_line(message)[:MAX_MESSAGE_CHARS],
            created_at=created_at,
        )
        for user in session.scalars(
            admins.with_for_update(read=True, key_share=True, skip_locked=True)
        )
        if kind in subscribed_kinds(user)
    )


def subscribed_kinds(user: User) -> Collection[str]:
    """Return the kinds that a user is mailed about; empty unless an unlocked admin with address."""
    can_be_mailed = user.role == Role.ADMIN and not user.locked and is_valid_email(user.email or "")
    return user.notification_kinds or () if can_be_mailed else ()


def outbox_size(session: Session) -> OutboxSize:
    """Return how much there is to mail."""
    row = tables.Notification
    count, oldest_at = session.execute(select(func.count(), func.min(row.created_at))).one()
    return OutboxSize(count, oldest_at)


def list_due_user_ids(session: Session, now: datetime, longest_pause: timedelta) -> list[int]:
    """Return the ids of users with notifications who may be mailed now (clock_skew.is_pending)."""
    is_due = or_(
        User.next_mail_at.is_(None),
        User.next_mail_at <= now,
        User.next_mail_at > latest_end(now, longest_pause),
    )
    query = (
        select(User.id)
        .join(tables.Notification, tables.Notification.user_id == User.id)
        .where(is_due)
    )
    return list(session.scalars(query.distinct().order_by(User.id)))


def list_pending(session: Session, user_id: int, limit: int) -> list[Notification]:
    """Return a user's notifications, oldest first; those on feedback last, if the limit allows."""
    row = tables.Notification
    is_feedback = row.kind == NotificationKind.FEEDBACK
    query = select(row).where(row.user_id == user_id).order_by(is_feedback, row.id)
    return [
        Notification(found.id, NotificationKind(found.kind), found.message, found.created_at)
        for found in session.scalars(query.limit(limit))
    ]


def delete_sent(session: Session, ids: Iterable[int]) -> None:
    """Delete notifications that were mailed."""
    session.execute(delete(tables.Notification).where(tables.Notification.id.in_(list(ids))))


def delete_other_kinds(session: Session, user_id: int, kinds: Collection[str]) -> None:
    """Delete a user's notifications of all kinds but these."""
    row = tables.Notification
    session.execute(delete(row).where(row.user_id == user_id, row.kind.not_in(kinds)))
