"""Logins: each is a family of tokens that ends as one; the tokens themselves are the API's."""

import threading
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from app.domain.credentials import normalize_username
from app.domain.errors import NotAllowed, NotAuthenticated
from app.domain.roles import CurrentUser, Role
from app.services.accounts.passwords import PasswordHasher
from app.services.accounts.signing_keys import SigningKeys
from app.store.engine import auth_changes
from app.store.engine.db import read_transaction, write_transaction
from app.store.queries import accounts
from app.store.tables import LoginSession, User

REVOKED = "Token has been revoked"
BAD_CREDENTIALS = "Bad username or password"

RECHECK_EVERY_S = 1.0  # another process's revocation is to be known within two seconds
MAX_TOKENS = 10_000


@dataclass(frozen=True)
class TokenGrant:
    """What the next pair of tokens is made from; only this refresh id is good from now on."""

    user_id: int
    session_id: UUID
    refresh_id: str


def log_in(hasher: PasswordHasher, username: str, password: str, lifetime: timedelta) -> TokenGrant:
    """Open a login.

    Raises NotAuthenticated where name or password is wrong, in the same time and words for both;
    NotAllowed where the password is right and the account locked.
    """
    with read_transaction() as session:
        user = accounts.find_by_name(session, normalize_username(username))
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
        _check_unchanged(accounts.lock(session, user.id), user.password_hash)
        accounts.forget_expired_logins(session, now)
        accounts.open_login(session, login)
    return TokenGrant(login.user_id, login.id, login.refresh_jti)


def _check_unchanged(user: User | None, password_hash: str | None) -> None:
    """Refuse where, while the password was being compared, it changed or the account was locked."""
    if user is None or user.password_hash != password_hash:
        raise NotAuthenticated(BAD_CREDENTIALS)
    if user.locked:
        raise NotAllowed("This account is locked")


def refresh(session_id: UUID, refresh_id: str, lifetime: timedelta) -> TokenGrant:
    """Exchange a refresh token for the next one.

    Raises NotAuthenticated; a token that was exchanged before is in the wrong hands, now or then,
    and ends the whole login.
    """
    now = datetime.now(UTC)
    with write_transaction() as session:
        login = accounts.find_login(session, session_id)
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


def log_out(session_id: UUID) -> None:
    """End a login with all its tokens."""
    with write_transaction() as session:
        login = accounts.find_login(session, session_id)
        if login is not None and login.revoked_at is None:
            login.revoked_at = datetime.now(UTC)


def current_user(session_id: UUID) -> CurrentUser | None:
    """Who is behind a token of this login; None where the login has ended."""
    return current_users([session_id]).get(session_id)


def current_users(session_ids: Collection[UUID]) -> dict[UUID, CurrentUser]:
    """Who is behind those of these logins that have not ended."""
    with read_transaction() as session:
        found = accounts.callers_of(session, session_ids, datetime.now(UTC))
        return {
            login_id: CurrentUser(user.id, Role(user.role), login_id)
            for login_id, user in found.items()
        }


@dataclass(frozen=True)
class _CachedToken:
    caller: CurrentUser
    key_id: str
    expires_at_s: float
    checked_at_s: float
    auth_version: int


class TokenCache:
    """Access tokens whose signature was verified, and who is behind them.

    A token is verified once, for what it says cannot change. Whether its login still stands is
    looked up again whenever this process changed any account or login, and after a second.
    """

    def __init__(
        self, keys: SigningKeys, context: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._keys, self._context = keys, context
        self._lock = threading.Lock()
        self._tokens: dict[str, _CachedToken] = {}

    def find(self, token: str) -> CurrentUser | None:
        """Who calls with a token; None where it is unknown here, or good no more."""
        known = self._tokens.get(token)
        if known is None or known.expires_at_s <= time.time():
            return None
        is_fresh = time.monotonic() - known.checked_at_s < RECHECK_EVERY_S
        if is_fresh and known.auth_version == auth_changes.latest():
            return known.caller
        return self._recheck(token, known)

    def keep(self, token: str, caller: CurrentUser, key_id: str, expires_at_s: float) -> None:
        """Remember a token that was verified; the next use looks its login up."""
        with self._lock:
            while len(self._tokens) >= MAX_TOKENS:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[token] = _CachedToken(caller, key_id, expires_at_s, float("-inf"), 0)

    def _recheck(self, token: str, known: _CachedToken) -> CurrentUser | None:
        checked_at_s, auth_version = time.monotonic(), auth_changes.latest()  # before the look itself
        with self._context():
            caller = current_user(known.caller.session_id)
        if caller is None or self._keys.find(known.key_id) is None:
            with self._lock:
                self._tokens.pop(token, None)
            return None
        found = replace(known, caller=caller, checked_at_s=checked_at_s, auth_version=auth_version)
        with self._lock:
            self._tokens[token] = found
        return caller
