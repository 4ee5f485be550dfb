"""Queries on accounts and their logins."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.domain.roles import Role
from app.store.engine.auth_changes import KEEPS_SESSIONS
from app.store.tables import LoginSession, User


def get(session: Session, user_id: int) -> User | None:
    """The account with this id."""
    return session.get(User, user_id)


def get_by_username(session: Session, username: str) -> User | None:
    """The account with this exact name."""
    return session.scalar(select(User).where(User.username == username))


def list_page(session: Session, after: int, limit: int) -> Sequence[User]:
    """Accounts in the order of their ids, from past `after`."""
    return session.scalars(select(User).where(User.id > after).order_by(User.id).limit(limit)).all()


def count_active_admins(session: Session) -> int:
    """How many admins could log in."""
    able = (User.role == Role.ADMIN, User.locked.is_(False), User.password_hash.is_not(None))
    return session.scalar(select(func.count()).select_from(User).where(*able)) or 0


def add(session: Session, user: User) -> None:
    """Add an account; its id is known afterwards."""
    session.add(user)
    session.flush()


def lock_key_share(session: Session, user_id: int) -> None:
    """Keep an account from being removed before this unit ends."""
    session.get(User, user_id, with_for_update={"read": True, "key_share": True})


def lock_exclusive(session: Session, user_id: int) -> None:
    """Wait until nothing that refers to an account is being written, and let nothing begin."""
    session.get(User, user_id, with_for_update=True)


def delete_user(session: Session, user_id: int) -> None:
    """Remove an account with its logins; what else is its own must be gone."""
    session.execute(delete(User).where(User.id == user_id))


def add_login(session: Session, login: LoginSession) -> None:
    """Add a login."""
    session.add(login)


def lock_login(session: Session, login_id: UUID) -> LoginSession | None:
    """The login with this id, ended or not; nobody else changes it before this unit ends."""
    return session.get(LoginSession, login_id, with_for_update=True)


def lock_for_update(session: Session, user_id: int) -> User | None:
    """The account with this id as it is now; nobody else changes it before this unit ends."""
    return session.get(User, user_id, with_for_update={"key_share": True})


def get_users_by_login(
    session: Session, login_ids: Collection[UUID], now: datetime
) -> dict[UUID, User]:
    """The accounts behind those of these logins that are good."""
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
    """End every login of an account."""
    session.execute(
        update(LoginSession)
        .where(LoginSession.user_id == user_id, LoginSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def delete_expired_logins(session: Session, now: datetime) -> None:
    """Remove logins whose every token has expired."""
    expired = delete(LoginSession).where(LoginSession.expires_at < now)
    session.execute(expired, execution_options={KEEPS_SESSIONS: True})
