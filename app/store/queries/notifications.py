"""Queries on the outbox: what waits to be mailed to whom."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from app.domain.credentials import is_valid_email
from app.domain.notifications import Notification, NotificationKind, single_line
from app.domain.roles import Role
from app.store import tables
from app.store.tables import User

MAX_MESSAGE_CHARS = 400  # characters of a message


@dataclass(frozen=True)
class OutboxSize:
    """How many notices wait to be mailed, and since when the oldest does."""

    count: int
    oldest_at: datetime | None


def add(session: Session, kind: NotificationKind, message: str) -> None:
    """Put a notice into the outbox for every admin who wants its kind, with the event itself.

    No admin's account is removed before this unit ends.
    """
    admins = select(User).where(User.role == Role.ADMIN, User.email.is_not(None)).order_by(User.id)
    told_at = datetime.now(UTC)
    session.add_all(
        tables.Notification(
            user_id=user.id,
            kind=kind,
            message=single_line(message)[:MAX_MESSAGE_CHARS],
            created_at=told_at,
        )
        for user in session.scalars(admins.with_for_update(read=True, key_share=True))
        if kind in subscribed_kinds(user)
    )


def subscribed_kinds(user: User) -> Collection[str]:
    """The kinds that an account is to be mailed about: none where it is no admin who can be."""
    can_be = user.role == Role.ADMIN and not user.locked and is_valid_email(user.email or "")
    return user.notification_kinds or () if can_be else ()


def outbox_size(session: Session) -> OutboxSize:
    """What waits to be mailed."""
    row = tables.Notification
    count, oldest_at = session.execute(select(func.count(), func.min(row.created_at))).one()
    return OutboxSize(count, oldest_at)


def list_due_user_ids(session: Session, now: datetime) -> list[int]:
    """The accounts for which something waits that may be mailed now."""
    may_be = or_(User.next_mail_at.is_(None), User.next_mail_at <= now)
    query = (
        select(User.id)
        .join(tables.Notification, tables.Notification.user_id == User.id)
        .where(may_be)
    )
    return list(session.scalars(query.distinct().order_by(User.id)))


def list_pending(session: Session, user_id: int, limit: int) -> list[Notification]:
    """What waits for an account, in the order of time; words of users only where there is room."""
    row = tables.Notification
    query = (
        select(row)
        .where(row.user_id == user_id)
        .order_by(row.kind == NotificationKind.FEEDBACK, row.id)
    )
    return [
        Notification(found.id, NotificationKind(found.kind), found.message, found.created_at)
        for found in session.scalars(query.limit(limit))
    ]


def delete_sent(session: Session, ids: Iterable[int]) -> None:
    """Remove what was mailed."""
    session.execute(delete(tables.Notification).where(tables.Notification.id.in_(list(ids))))


def delete_other_kinds(session: Session, user_id: int, kinds: Collection[str]) -> None:
    """Remove what waits for an account and is of none of these kinds."""
    row = tables.Notification
    session.execute(delete(row).where(row.user_id == user_id, row.kind.not_in(kinds)))
