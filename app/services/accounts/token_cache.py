"""A cache of verified access tokens, so that most requests verify no signature."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from app.domain.roles import CurrentUser
from app.services.accounts.sessions import current_user
from app.services.accounts.signing_keys import SigningKeys
from app.store.engine import auth_changes

RECHECK_EVERY_S = 1.0  # a revocation by another process must take effect within two seconds
MAX_TOKENS = 10_000


@dataclass(frozen=True)
class _CachedToken:
    user: CurrentUser
    key_id: str
    expires_at_s: float
    checked_at_s: float
    auth_version: int


class TokenCache:
    """Access tokens whose signature was verified, with the user each belongs to.

    A signature is verified once, since the claims of a token cannot change. Whether its login is
    still valid is checked again after a second, and as soon as this process changes any account
    or login.
    """

    def __init__(
        self, keys: SigningKeys, context: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._keys, self._context = keys, context
        self._lock = threading.Lock()
        self._tokens: dict[str, _CachedToken] = {}

    def get(self, token: str) -> CurrentUser | None:
        """Return the user of a token; None if it is not cached, has expired or was revoked."""
        cached = self._tokens.get(token)
        if cached is None or cached.expires_at_s <= time.time():
            return None
        is_fresh = time.monotonic() - cached.checked_at_s < RECHECK_EVERY_S
        if is_fresh and cached.auth_version == auth_changes.auth_version():
            return cached.user
        return self._recheck(token, cached)

    def add(self, token: str, user: CurrentUser, key_id: str, expires_at_s: float) -> None:
        """Cache a verified token; its login is checked at the next use."""
        with self._lock:
            while len(self._tokens) >= MAX_TOKENS:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[token] = _CachedToken(user, key_id, expires_at_s, float("-inf"), 0)

    def _recheck(self, token: str, cached: _CachedToken) -> CurrentUser | None:
        # Read both before the query: a change during it then leads to another check.
        checked_at_s, auth_version = time.monotonic(), auth_changes.auth_version()
        with self._context():
            user = current_user(cached.user.session_id)
        if user is None or self._keys.get(cached.key_id) is None:
            with self._lock:
                self._tokens.pop(token, None)
            return None
        found = replace(cached, user=user, checked_at_s=checked_at_s, auth_version=auth_version)
        with self._lock:
            self._tokens[token] = found
        return user
