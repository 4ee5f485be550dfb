"""A compressed archive of a few named files, each with its size and checksum."""

import hashlib
import os
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO

from app.domain.errors import InvalidInput

_CHUNK_BYTES = 1024 * 1024

ProgressCallback = Callable[[str, float], None]
"""Called with the name of a step and the share of it, 0..1, that is done."""


@dataclass(frozen=True)
class FileEntry:
    """A file's size in bytes and its checksum."""

    size: int
    sha256: str


def describe(path: Path) -> FileEntry:
    """Return the size and checksum of a file."""
    with path.open("rb") as file:
        return FileEntry(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def write_archive(
    target: Path,
    texts: Mapping[str, bytes],
    files: Mapping[str, Path],
    on_progress: ProgressCallback,
) -> None:
    """Create an archive that only its owner can read, and sync it to disk. Raises OSError."""
    with target.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
            for name, text in texts.items():
                archive.addfile(_member(name, len(text)), BytesIO(text))
            for name, path in files.items():
                size = path.stat().st_size
                with path.open("rb") as content:
                    reader = _ProgressReader(content, size, partial(on_progress, f"packing {name}"))
                    archive.addfile(_member(name, size), reader)
        file.flush()
        os.fsync(file.fileno())


class Archive:
    """An open archive; damage raises tarfile.TarError, OSError, EOFError or zlib.error."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def read_bytes(self, name: str, max_bytes: int) -> bytes:
        """Return the start of a file in it. Raises InvalidInput if there is no such file."""
        return self._open(name).read(max_bytes)

    def extract(
        self, name: str, entry: FileEntry, target: Path, on_progress: ProgressCallback
    ) -> None:
        """Extract a file that only its owner can read. Raises InvalidInput unless it matches."""
        reader = _ProgressReader(
            self._open(name), entry.size, lambda share: on_progress(f"unpacking {name}", share)
        )
        digest, copied = hashlib.sha256(), 0
        with target.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            while chunk := reader.read(min(_CHUNK_BYTES, entry.size + 1 - copied)):
                digest.update(chunk)
                copied += len(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if entry != FileEntry(copied, digest.hexdigest()):
            raise InvalidInput(f"{name} in the archive does not match its checksum")

    def _open(self, name: str) -> IO[bytes]:
        try:
            content = self._tar.extractfile(name)
        except KeyError:
            content = None
        if content is None:
            raise InvalidInput(f"The archive contains no {name}")
        return content


class _ProgressReader:
    """A file that reports what share of it was read."""

    def __init__(self, content: IO[bytes], size: int, on_progress: Callable[[float], None]) -> None:
        self._content, self._size, self._on_progress, self._read = content, size, on_progress, 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._content.read(size)
        if chunk:
            self._read += len(chunk)
            self._on_progress(self._read / max(self._size, 1))
        return chunk


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(datetime.now(UTC).timestamp())
    return member
