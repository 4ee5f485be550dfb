"""Hashing of passwords: slow on purpose, so only a few at once, and as slow for unknown names."""

import threading

from flask_bcrypt import Bcrypt

from app.domain.credentials import check_password, fits_bcrypt


class PasswordHasher:
    """bcrypt at a set cost; at most `at_once` hashes are computed at the same time."""

    def __init__(self, rounds: int, at_once: int = 2) -> None:
        self._bcrypt = Bcrypt()
        self._rounds = rounds
        self._turns = threading.BoundedSemaphore(at_once)
        self._nobodys: str | None = None

    def hash(self, password: str) -> str:
        """Hash a new password. Raises WeakPassword."""
        check_password(password)
        return self._hash(password)

    def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is right; takes as long where there is no hash to compare with."""
        if not fits_bcrypt(password):
            password, password_hash = "", None
        compared = password_hash or self._nobodys_hash()
        with self._turns:
            equal = bool(self._bcrypt.check_password_hash(compared, password))
        return equal and password_hash is not None

    def _nobodys_hash(self) -> str:
        if self._nobodys is None:
            self._nobodys = self._hash("nobody's password")
        return self._nobodys

    def _hash(self, password: str) -> str:
        with self._turns:
            return str(self._bcrypt.generate_password_hash(password, self._rounds).decode())
