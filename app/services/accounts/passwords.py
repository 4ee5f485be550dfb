"""Password hashing: slow by design, limited in concurrency, equally slow for unknown users."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask_bcrypt import Bcrypt

from app.domain.credentials import check_password, fits_bcrypt
from app.domain.errors import Unavailable

MAX_WAIT_S = 10


class PasswordHasher:
    """bcrypt with a fixed cost; computes at most `max_concurrent` hashes at the same time.

    A caller that waits longer than 10 s for a free slot gets Unavailable.
    """

    def __init__(self, rounds: int, max_concurrent: int = 2) -> None:
        self._bcrypt = Bcrypt()
        self._rounds = rounds
        self._slots = threading.BoundedSemaphore(max_concurrent)
        self._placeholder: str | None = None

    def hash(self, password: str) -> str:
        """Return the hash of a new password. Raises WeakPassword."""
        check_password(password)
        return self._hash(password)

    def matches(self, password: str, password_hash: str | None) -> bool:
        """Return whether the password is correct; takes as long if there is no hash to compare.

        So the time of a login does not reveal whether the account exists.
        """
        if not fits_bcrypt(password):
            password, password_hash = "", None
        experiment_traffic = password_hash or self._placeholder_hash()
        with self._slot():
            equal = bool(self._bcrypt.check_password_hash(experiment_traffic, password))
        return equal and password_hash is not None

    def _placeholder_hash(self) -> str:
        if self._placeholder is None:
            self._placeholder = self._hash("placeholder password")
        return self._placeholder

    def _hash(self, password: str) -> str:
        with self._slot():
            return str(self._bcrypt.generate_password_hash(password, self._rounds).decode())

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=MAX_WAIT_S):
            raise Unavailable("Too many logins at once")
        try:
            yield
        finally:
            self._slots.release()
