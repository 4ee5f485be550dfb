"""The key that signs tokens, and retired keys whose tokens are still valid.

They are stored in two files that only their owner can read: one with the current key, one with the
retired keys and the time until which each is trusted. Another process may rotate them at any time.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp

from app.domain.errors import Unavailable
from app.store.engine.directory_sync import sync_directory

MIN_KEY_BYTES = 32
MAX_RETIRED = 6  # in the file, unless more are trusted
RETIRED_KEYS_FILE = "jwt_retired_keys"

_CLOCK_MARGIN = timedelta(minutes=5)  # for clock skew and tokens being issued during a rotation
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Key:
    """A signing key; a token names its key by the `kid`, which reveals nothing of the secret."""

    secret: str

    @cached_property
    def kid(self) -> str:
        """Return the key id: the first 8 hex digits of the secret's SHA-256."""
        return sha256(self.secret.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class RetiredKey:
    """A key that no longer signs, and the time until which its tokens are accepted."""

    key: Key
    trusted_until: datetime


@dataclass(frozen=True)
class KeyFiles:
    """The files that hold the keys; `token_lifetime` is the longest lifetime of a token."""

    current: Path
    token_lifetime: timedelta

    @property
    def retired(self) -> Path:
        """Return the path of the retired keys; the file exists after the first rotation."""
        return self.current.with_name(RETIRED_KEYS_FILE)

    def read(self) -> list[Key]:
        """Return the current key, then the retired keys still trusted, newest first.

        Raises OSError; Unavailable for a damaged file.
        """
        current = Key(self.current.read_text(errors="replace").strip())
        if len(current.secret.encode()) < MIN_KEY_BYTES:
            raise Unavailable(f"{self.current} is damaged")
        return [current, *(each.key for each in self.read_retired())]

    def read_retired(self) -> list[RetiredKey]:
        """Return the retired keys that are still trusted, newest first.

        Raises OSError; Unavailable for a damaged file.
        """
        now = datetime.now(UTC)
        return [each for each in self._read_all_retired() if each.trusted_until > now]

    def _read_all_retired(self) -> list[RetiredKey]:
        try:
            lines = self.retired.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        try:
            found = [_parse(line) for line in lines if line.strip()]
        except ValueError as error:
            raise Unavailable(f"{self.retired} is damaged") from error
        return sorted(found, key=lambda each: each.trusted_until, reverse=True)

    def fingerprint(self) -> tuple[object, ...]:
        """Return a value that changes with either file and every hour, since keys also expire."""
        hour = int(time.time() // 3600)
        return (hour, *(_file_fingerprint(path) for path in (self.current, self.retired)))

    def rotate(self, *, keep_old: bool = True) -> Key:
        """Create a new key and retire the current one; without `keep_old`, all logins end.

        Only one process may rotate at a time; a concurrent reader finds every trusted key, since
        the current key is retired before it is replaced. The last expired keys stay in the file:
        if they only look expired, because the clock is ahead, they are trusted again once it is
        right. Raises Unavailable for a damaged file.
        """
        trusted_until = datetime.now(UTC) + self.token_lifetime + _CLOCK_MARGIN
        retired = [RetiredKey(self.read()[0], trusted_until), *self._read_all_retired()]
        trusted_count = 1 + len(self.read_retired())
        retired = retired[: max(trusted_count, MAX_RETIRED)]
        lines = [f"{each.trusted_until.isoformat()} {each.key.secret}\n" for each in retired]
        owner, new = self.current.stat(), Key(secrets.token_urlsafe(48))
        _replace(self.retired, "".join(lines) if keep_old else "", owner)
        _replace(self.current, new.secret, owner)
        return new


class SigningKeys:
    """The keys of this process; files changed by another process are read at the next use."""

    def __init__(
        self, current: str, previous: Sequence[str] = (), files: KeyFiles | None = None
    ) -> None:
        """Start with the keys of the settings: the current one, and previous ones, newest first.

        If there are files, their keys replace the current one.
        """
        self._previous = [Key(secret) for secret in previous]
        self._keys = [Key(current), *self._previous]
        self._files = files
        self._load_lock = threading.Lock()
        self._fingerprint: tuple[object, ...] | None = None

    def current(self) -> Key:
        """Return the key that signs new tokens."""
        return self._load()[0]

    def get(self, kid: str | None) -> Key | None:
        """Return the key with this id; the oldest key for an old token without a key id."""
        keys = self._load()
        if kid is None:
            return keys[-1]
        return next((key for key in keys if key.kid == kid), None)

    def _load(self) -> list[Key]:
        if self._files is None or self._files.fingerprint() == self._fingerprint:
            return self._keys
        with self._load_lock:
            fingerprint = self._files.fingerprint()
            if fingerprint != self._fingerprint:
                try:
                    self._keys = [*self._files.read(), *self._previous]
                except (OSError, Unavailable) as error:
                    _log.error("cannot read the signing keys, keeping the old ones: %s", error)
                self._fingerprint = fingerprint
            return self._keys


def _parse(line: str) -> RetiredKey:
    """Parse a line of a time and a key. Raises ValueError."""
    until, _, secret = line.partition(" ")
    if len(secret.encode()) < MIN_KEY_BYTES:
        raise ValueError("the key is missing or too short")
    return RetiredKey(Key(secret), datetime.fromisoformat(until).astimezone(UTC))


def _file_fingerprint(path: Path) -> tuple[int, int, int] | None:
    with suppress(FileNotFoundError):
        found = path.stat()
        return found.st_mtime_ns, found.st_ino, found.st_size
    return None


def _replace(path: Path, text: str, owner: os.stat_result) -> None:
    """Replace a file's content atomically; only its owner can read it."""
    descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w") as file:
            if owner.st_uid != os.geteuid():  # root rotates on behalf of the server's user
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
        sync_directory(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)
