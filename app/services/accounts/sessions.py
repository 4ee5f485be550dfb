"""Logins: each is a family of tokens that ends as one; the tokens themselves are the API's."""

import threading
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from app.domain.credentials import normal_form
from app.domain.errors import NotAllowed, NotAuthenticated
from app.domain.roles import Caller, Role
from app.services.accounts.passwords import PasswordHasher
from app.services.accounts.signing_keys import SigningKeys
from app.store.engine import auth_changes
from app.store.engine.db import reading, writing
from app.store.queries import accounts
from app.store.tables import LoginSession, User

REVOKED = "Token has been revoked"
WRONG = "Bad username or password"

LOOKED_AT_EVERY_S = 1.0  # another process's revocation is to be known within two seconds
MOST_KNOWN = 10_000


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
    return callers([session_id]).get(session_id)


def callers(session_ids: Collection[UUID]) -> dict[UUID, Caller]:
    """Who is behind those of these logins that have not ended."""
    with reading() as session:
        found = accounts.callers_of(session, session_ids, datetime.now(UTC))
        return {
            login_id: Caller(user.id, Role(user.role), login_id) for login_id, user in found.items()
        }


@dataclass(frozen=True)
class _Known:
    caller: Caller
    key_id: str
    expires_at_s: float
    looked_at_s: float
    revision: int


class KnownTokens:
    """Access tokens whose signature was verified, and who is behind them.

    A token is verified once, for what it says cannot change. Whether its login still stands is
    looked up again whenever this process changed any account or login, and after a second.
    """

    def __init__(
        self, keys: SigningKeys, context: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._keys, self._context = keys, context
        self._keeping = threading.Lock()
        self._known: dict[str, _Known] = {}

    def find(self, token: str) -> Caller | None:
        """Who calls with a token; None where it is unknown here, or good no more."""
        known = self._known.get(token)
        if known is None or known.expires_at_s <= time.time():
            return None
        is_fresh = time.monotonic() - known.looked_at_s < LOOKED_AT_EVERY_S
        if is_fresh and known.revision == auth_changes.latest():
            return known.caller
        return self._look_again(token, known)

    def keep(self, token: str, caller: Caller, key_id: str, expires_at_s: float) -> None:
        """Remember a token that was verified; the next use looks its login up."""
        with self._keeping:
            while len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[token] = _Known(caller, key_id, expires_at_s, float("-inf"), 0)

    def _look_again(self, token: str, known: _Known) -> Caller | None:
        looked_at_s, revision = time.monotonic(), auth_changes.latest()  # before the look itself
        with self._context():
            caller = identify(known.caller.session_id)
        if caller is None or self._keys.find(known.key_id) is None:
            with self._keeping:
                self._known.pop(token, None)
            return None
        found = replace(known, caller=caller, looked_at_s=looked_at_s, revision=revision)
        with self._keeping:
            self._known[token] = found
        return caller
