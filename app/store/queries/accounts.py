"""Queries on user accounts and their logins."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.orm import Session

from app.domain.roles import Role
from app.store.engine.auth_changes import KEEPS_SESSIONS
from app.store.tables import LoginSession, User


def get(session: Session, user_id: int) -> User | None:
    """Return the user with this id."""
    return session.get(User, user_id)


def get_by_username(session: Session, username: str) -> User | None:
    """Return the user with this exact name."""
    return session.scalar(select(User).where(User.username == username))


def list_page(session: Session, after: int, limit: int) -> Sequence[User]:
    """Return the users with ids above `after`, in the order of their ids."""
    return session.scalars(select(User).where(User.id > after).order_by(User.id).limit(limit)).all()


def count_active_admins(session: Session, other_than: int | None = None) -> int:
    """Return how many admins can log in, without the one with this id."""
    active = (User.role == Role.ADMIN, User.locked.is_(False), User.password_hash.is_not(None))
    query = select(func.count()).select_from(User).where(*active)
    return session.scalar(query.where(User.id != (other_than or 0))) or 0


def add(session: Session, user: User) -> None:
    """Add a user and assign the id."""
    session.add(user)
    session.flush()


# The three strengths of row locks below are PostgreSQL's; SQLite locks the whole database in
# write_transaction. A writer of rows that refer to a user takes FOR KEY SHARE, which excludes only
# lock_exclusive; so nothing can refer to a user that is being deleted.


def lock_key_share(session: Session, user_id: int) -> None:
    """Keep a user from being deleted until the transaction ends (FOR KEY SHARE)."""
    session.get(User, user_id, with_for_update={"read": True, "key_share": True})


def lock_for_update(session: Session, user_id: int) -> User | None:
    """Return a user as it is now, and let nobody else change it (FOR NO KEY UPDATE)."""
    return session.get(User, user_id, with_for_update={"key_share": True})


def lock_exclusive(session: Session, user_id: int) -> None:
    """Wait for writers of rows that refer to a user, and let no others begin (FOR UPDATE)."""
    session.get(User, user_id, with_for_update=True)


def delete_user(session: Session, user_id: int) -> None:
    """Delete a user with the logins; all else that belongs to the user must be gone already."""
    session.execute(delete(User).where(User.id == user_id))


def add_login(session: Session, login: LoginSession) -> None:
    """Add a login."""
    session.add(login)


def lock_login(session: Session, login_id: UUID) -> LoginSession | None:
    """Return a login, ended or not, and let nobody else change it until the transaction ends."""
    return session.get(LoginSession, login_id, with_for_update=True)


def get_users_by_login(
    session: Session, login_ids: Collection[UUID], now: datetime
) -> dict[UUID, User]:
    """Return the users of these logins by login id, without ended logins and locked users."""
    query = (
        select(LoginSession.id, User)
        .join(User)
        .where(
            LoginSession.id.in_(login_ids),
            LoginSession.revoked_at.is_(None),
            LoginSession.expires_at > now,
            User.locked.is_(False),
        )
    )
    return {row[0]: row[1] for row in session.execute(query)}


def revoke_logins(session: Session, user_id: int, now: datetime) -> None:
    """Revoke all logins of a user."""
    session.execute(
        update(LoginSession)
        .where(LoginSession.user_id == user_id, LoginSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def count_expired_logins(session: Session, before: datetime) -> int:
    """Return how many logins expired before a moment."""
    query = select(func.count()).where(LoginSession.expires_at < before)
    return session.scalar(query) or 0


def list_expired_logins(session: Session, before: datetime, limit: int) -> list[UUID]:
    """Return ids of logins that expired before a moment."""
    query = select(LoginSession.id).where(LoginSession.expires_at < before)
    return list(session.scalars(query.limit(limit)))


def delete_logins(session: Session, before: datetime, ids: Collection[UUID]) -> int:
    """Delete those of these logins that expired before a moment; return how many."""
    is_expired = LoginSession.expires_at < before
    expired = delete(LoginSession).where(LoginSession.id.in_(ids), is_expired)
    result = session.execute(expired, execution_options={KEEPS_SESSIONS: True})
    return cast("CursorResult[Any]", result).rowcount
