"""The key that signs tokens, and those before it whose tokens are still good.

They lie in two files that only their owner can read: the current key alone, and the retired ones
with the time until which each is trusted. Another process may rotate them at any moment.
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

MIN_KEY_BYTES = 32
RETIRED_KEYS_FILE = "jwt_retired_keys"

_CLOCK_MARGIN = timedelta(minutes=5)  # for clocks that differ, and tokens that were being made
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Key:
    """A key; tokens name the one that signed them by its `kid`, which tells nothing of it."""

    secret: str

    @cached_property
    def kid(self) -> str:
        """Its name: the first 8 hex digits of its SHA-256."""
        return sha256(self.secret.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class RetiredKey:
    """A key that signs no more, and until when tokens of it are good."""

    key: Key
    trusted_until: datetime


@dataclass(frozen=True)
class KeyFiles:
    """The files that hold the keys; `lasts` is how long a token is good at most."""

    current: Path
    token_lifetime: timedelta

    @property
    def retired(self) -> Path:
        """The file of the keys that sign no more; there is none before the first rotation."""
        return self.current.with_name(RETIRED_KEYS_FILE)

    def read(self) -> list[Key]:
        """The current key, then the retired ones that are still good, the newest first.

        Raises OSError; Unavailable for a damaged file.
        """
        current = Key(self.current.read_text(errors="replace").strip())
        if len(current.secret.encode()) < MIN_KEY_BYTES:
            raise Unavailable(f"{self.current} is damaged")
        return [current, *(each.key for each in self.read_retired())]

    def read_retired(self) -> list[RetiredKey]:
        """The keys that sign no more and are still good, the newest first.

        Raises OSError; Unavailable for a damaged file.
        """
        try:
            lines = self.retired.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        try:
            found = [_parse(line) for line in lines if line.strip()]
        except ValueError as error:
            raise Unavailable(f"{self.retired} is damaged") from error
        now = datetime.now(UTC)
        good = [each for each in found if each.trusted_until > now]
        return sorted(good, key=lambda each: each.trusted_until, reverse=True)

    def fingerprint(self) -> tuple[object, ...]:
        """What changes whenever a file does, and with each hour: keys also grow too old."""
        hour = int(time.time() // 3600)
        return (hour, *(_file_fingerprint(path) for path in (self.current, self.retired)))

    def rotate(self, *, keep_old: bool = True) -> Key:
        """Make a new key and retire the current one; without the old ones, all logins end.

        For one process at a time; whoever reads meanwhile finds every key that is good. Raises
        Unavailable for a damaged file.
        """
        trusted_until = datetime.now(UTC) + self.token_lifetime + _CLOCK_MARGIN
        retired = [RetiredKey(self.read()[0], trusted_until), *self.read_retired()]
        lines = [f"{each.trusted_until.isoformat()} {each.key.secret}\n" for each in retired]
        owner, new = self.current.stat(), Key(secrets.token_urlsafe(48))
        _replace(self.retired, "".join(lines) if keep_old else "", owner)
        _replace(self.current, new.secret, owner)
        return new


class SigningKeys:
    """The keys as this process knows them; files that another one changed are read at once."""

    def __init__(
        self, current: str, previous: Sequence[str] = (), files: KeyFiles | None = None
    ) -> None:
        """Begin with the keys that the settings give, the newest first, as long as they are good.

        Where there are files, theirs take the place of the current one.
        """
        self._previous = [Key(secret) for secret in previous]
        self._keys = [Key(current), *self._previous]
        self._files = files
        self._load_lock = threading.Lock()
        self._fingerprint: tuple[object, ...] | None = None

    def current(self) -> Key:
        """The key that signs."""
        return self._load()[0]

    def get(self, kid: str | None) -> Key | None:
        """The key of this name; for a token of old, which names none, the oldest."""
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
                    _log.error("signing keys stay as they were: %s", error)
                self._fingerprint = fingerprint
            return self._keys


def _parse(line: str) -> RetiredKey:
    """Raises ValueError for a line that is not a time and a key."""
    until, _, secret = line.partition(" ")
    if len(secret.encode()) < MIN_KEY_BYTES:
        raise ValueError("no key")
    return RetiredKey(Key(secret), datetime.fromisoformat(until).astimezone(UTC))


def _file_fingerprint(path: Path) -> tuple[int, int, int] | None:
    with suppress(FileNotFoundError):
        found = path.stat()
        return found.st_mtime_ns, found.st_ino, found.st_size
    return None


def _replace(path: Path, text: str, owner: os.stat_result) -> None:
    """Give a file, for its owner alone, another content: all of it, or none."""
    descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w") as file:
            if owner.st_uid != os.geteuid():  # root rotates for the user who serves
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
        _sync_directory(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)


def _sync_directory(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
