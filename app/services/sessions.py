"""Logins: each is a family of tokens that ends as one; the tokens themselves are the API's."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from app.domain.credentials import normal_form
from app.domain.errors import NotAllowed, NotAuthenticated
from app.domain.roles import Caller, Role
from app.services.passwords import PasswordHasher
from app.store import accounts
from app.store.db import reading, writing
from app.store.tables import LoginSession, User

REVOKED = "Token has been revoked"
WRONG = "Bad username or password"


@dataclass(frozen=True)
class Grant:
    """What the next pair of tokens is made from; only this refresh id is good from now on."""

    user_id: int
    session_id: UUID
    refresh_id: str


def log_in(hasher: PasswordHasher, username: str, password: str, lasts: timedelta) -> Grant:
    """Open a login.

    Raises NotAuthenticated where name or password is wrong, in the same time and words for both;
    NotAllowed where the password is right and the account locked.
    """
    with reading() as session:
        user = accounts.find_by_name(session, normal_form(username))
    if not hasher.matches(password, None if user is None else user.password_hash) or user is None:
        raise NotAuthenticated(WRONG)
    now = datetime.now(UTC)
    login = LoginSession(
        id=uuid4(),
        user_id=user.id,
        refresh_jti=str(uuid4()),
        created_at=now,
        expires_at=now + lasts,
    )
    with writing() as session:
        _check_still(accounts.lock(session, user.id), user.password_hash)
        accounts.forget_expired_logins(session, now)
        accounts.open_login(session, login)
    return Grant(login.user_id, login.id, login.refresh_jti)


def _check_still(user: User | None, password_hash: str | None) -> None:
    """Refuse where, while the password was being compared, it changed or the account was locked."""
    if user is None or user.password_hash != password_hash:
        raise NotAuthenticated(WRONG)
    if user.locked:
        raise NotAllowed("This account is locked")


def refresh(session_id: UUID, refresh_id: str, lasts: timedelta) -> Grant:
    """Exchange a refresh token for the next one.

    Raises NotAuthenticated; a token that was exchanged before is in the wrong hands, now or then,
    and ends the whole login.
    """
    now = datetime.now(UTC)
    with writing() as session:
        login = accounts.find_login(session, session_id)
        if login is None or login.revoked_at is not None:
            raise NotAuthenticated(REVOKED)
        reused = login.refresh_jti != refresh_id
        if reused:
            login.revoked_at = now
        else:
            login.refresh_jti, login.expires_at = str(uuid4()), now + lasts
        grant = Grant(login.user_id, login.id, login.refresh_jti)
    if reused:
        raise NotAuthenticated(REVOKED)
    return grant


def log_out(session_id: UUID) -> None:
    """End a login with all its tokens."""
    with writing() as session:
        login = accounts.find_login(session, session_id)
        if login is not None and login.revoked_at is None:
            login.revoked_at = datetime.now(UTC)


def identify(session_id: UUID) -> Caller | None:
    """Who is behind a token of this login; None where the login has ended."""
    with reading() as session:
        user = accounts.caller_of(session, session_id, datetime.now(UTC))
        return None if user is None else Caller(user.id, Role(user.role), session_id)
