"""Logins: each is a family of refresh tokens, revoked together. The API makes the tokens."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from app.domain.credentials import normalize_username
from app.domain.errors import NotAllowed, NotAuthenticated
from app.domain.roles import CurrentUser, Role
from app.services.accounts.passwords import PasswordHasher
from app.store.engine.db import read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import accounts
from app.store.tables import LoginSession, User

REVOKED = "Token has been revoked"
BAD_CREDENTIALS = "Bad username or password"


@dataclass(frozen=True)
class TokenGrant:
    """The claims of the next pair of tokens; only this refresh id is valid from now on."""

    user_id: int
    session_id: UUID
    refresh_id: str


@retried
def log_in(hasher: PasswordHasher, username: str, password: str, lifetime: timedelta) -> TokenGrant:
    """Start a login.

    Raises NotAuthenticated for a wrong name or password, with the same message and after the same
    time for both; NotAllowed if the password is correct but the account is locked.
    """
    with read_transaction() as session:
        user = accounts.get_by_username(session, normalize_username(username))
    if not hasher.matches(password, None if user is None else user.password_hash) or user is None:
        raise NotAuthenticated(BAD_CREDENTIALS)
    now = datetime.now(UTC)
    login = LoginSession(
        id=uuid4(),
        user_id=user.id,
        refresh_jti=str(uuid4()),
        created_at=now,
        expires_at=now + lifetime,
    )
    with write_transaction() as session:
        _check_unchanged(accounts.lock_for_update(session, user.id), user.password_hash)
        accounts.add_login(session, login)
    return TokenGrant(login.user_id, login.id, login.refresh_jti)


def _check_unchanged(user: User | None, password_hash: str | None) -> None:
    """Raise if the password was changed or the account locked while the password was checked."""
    if user is None or user.password_hash != password_hash:
        raise NotAuthenticated(BAD_CREDENTIALS)
    if user.locked:
        raise NotAllowed("This account is locked")


@retried
def refresh(session_id: UUID, refresh_id: str, lifetime: timedelta) -> TokenGrant:
    """Exchange a refresh token for the next one.

    Raises NotAuthenticated. A token that is used a second time may have been stolen, so it revokes
    the whole login.
    """
    now = datetime.now(UTC)
    with write_transaction() as session:
        login = accounts.lock_login(session, session_id)
        if login is None or login.revoked_at is not None:
            raise NotAuthenticated(REVOKED)
        reused = login.refresh_jti != refresh_id
        if reused:
            login.revoked_at = now
        else:
            login.refresh_jti, login.expires_at = str(uuid4()), now + lifetime
        grant = TokenGrant(login.user_id, login.id, login.refresh_jti)
    if reused:
        raise NotAuthenticated(REVOKED)
    return grant


@retried
def log_out(session_id: UUID) -> None:
    """Revoke a login with all its tokens."""
    with write_transaction() as session:
        login = accounts.lock_login(session, session_id)
        if login is not None and login.revoked_at is None:
            login.revoked_at = datetime.now(UTC)


def current_user(session_id: UUID) -> CurrentUser | None:
    """Return the user of a login; None if the login has ended."""
    return current_users([session_id]).get(session_id)


def current_users(session_ids: Collection[UUID]) -> dict[UUID, CurrentUser]:
    """Return the users of those of these logins that have not ended."""
    with read_transaction() as session:
        found = accounts.get_users_by_login(session, session_ids, datetime.now(UTC))
        return {
            login_id: CurrentUser(user.id, Role(user.role), login_id)
            for login_id, user in found.items()
        }
