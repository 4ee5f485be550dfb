"""A compressed archive of a few named files, each with its size and checksum.

It is read strictly from front to end, so that no archive costs more than its manifest announces:
plain files only, in the order of the manifest, each as long as it says. Other kinds of tar members
(links, sparse files, extended headers, which tarfile reads into memory) are refused at their first
block.
"""

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO

from app.domain.errors import InvalidInput, NotFound, Unavailable
from app.services.maintenance import backup_manifest
from app.services.maintenance.backup_manifest import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    FileEntry,
    Manifest,
)

_CHUNK_BYTES = 1024 * 1024
_BLOCK_BYTES = tarfile.BLOCKSIZE
_MAX_END_BYTES = 2 * tarfile.RECORDSIZE  # of zeros, after the last file
_ADVICE = "; nothing was changed, try another backup"
_PLAIN_FILES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})
_GZIP = b"\x1f\x8b"
_KNOWN_STARTS = {
    b"SQLite format 3": "a SQLite database",
    b"PGDMP": "a dump of PostgreSQL, which pg_restore reads",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"PK": "a zip archive",
}

ProgressCallback = Callable[[str, float], None]
"""Called with the name of a step and the share of it, 0..1, that is done."""


def describe(path: Path) -> FileEntry:
    """Return the size and checksum of a file."""
    with path.open("rb") as file:
        return FileEntry(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def write_archive(
    target: Path, manifest: Manifest, folder: Path, on_progress: ProgressCallback
) -> None:
    """Archive the manifest and its files, which are in this folder, and sync it to disk.

    Only its owner can read it. Raises OSError.
    """
    with target.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        # The format in which a file of any size needs no header of its own.
        with tarfile.open(
            fileobj=file, mode="w:gz", compresslevel=6, format=tarfile.GNU_FORMAT
        ) as archive:
            text = manifest.to_json()
            archive.addfile(_member(MANIFEST, len(text)), BytesIO(text))
            for name, entry in manifest.files.items():
                with (folder / name).open("rb") as content:
                    progress = partial(on_progress, f"packing {name}")
                    reader = _ProgressReader(content, entry.size, progress)
                    archive.addfile(_member(name, entry.size), reader)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def open_archive(path: Path) -> Iterator["Archive"]:
    """Open an archive. Raises NotFound, InvalidInput if it is damaged or none, Unavailable."""
    if not path.exists():
        raise NotFound(f"There is no file {path}")
    if not path.is_file():
        raise InvalidInput(f"{path} is not a file: name the archive that `backup` wrote")
    try:
        with path.open("rb") as file:
            _require_gzip(file)
            with gzip.open(file) as content:
                yield Archive(content)
    except InvalidInput as error:
        raise InvalidInput(f"{path} is not a good backup: {error.message}{_ADVICE}") from error
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InvalidInput(
            f"{path} is not a complete backup, it is cut off or damaged: {error}{_ADVICE}"
        ) from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be unpacked: {error.strerror or error}") from error


def _require_gzip(file: IO[bytes]) -> None:
    start = file.read(16)
    file.seek(0)
    if not start:
        raise InvalidInput("it is empty")
    if not start.startswith(_GZIP):
        known = (text for magic, text in _KNOWN_STARTS.items() if start.startswith(magic))
        kind = next(known, "of another kind")
        raise InvalidInput(f"it is {kind}, not the gzip archive that `backup` writes")


class Archive:
    """An open archive, which can be read once.

    Damage raises InvalidInput, whose message calls the archive "it", TarError, OSError, EOFError or
    zlib.error.
    """

    def __init__(self, content: gzip.GzipFile) -> None:
        self._content = content

    def read_manifest(self) -> Manifest:
        """Return the manifest, which is the first file."""
        size = self._next_file(MANIFEST)
        if not 0 <= size <= MAX_MANIFEST_BYTES:
            raise InvalidInput(f"the manifest has {size} bytes, {MAX_MANIFEST_BYTES} is the most")
        text = self._read_exactly(size)
        self._skip_padding(size)
        return backup_manifest.parse(text)

    def extract(self, manifest: Manifest, folder: Path, on_progress: ProgressCallback) -> None:
        """Extract all files, for their owner only. Raises Unavailable if there is no space."""
        if (free := shutil.disk_usage(folder).free) < manifest.total_bytes:
            raise Unavailable(
                f"{folder.parent} has {free:,} bytes free, and the backup needs"
                f" {manifest.total_bytes:,}: free some space"
            )
        for name, entry in manifest.files.items():
            with (folder / name).open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                self._copy(name, entry, file, partial(on_progress, f"unpacking {name}"))
                file.flush()
                os.fsync(file.fileno())
        self._require_end()

    def check(self, manifest: Manifest, on_progress: ProgressCallback) -> None:
        """Read all files and compare their sizes and checksums; nothing is written."""
        with Path(os.devnull).open("wb") as nowhere:
            for name, entry in manifest.files.items():
                self._copy(name, entry, nowhere, partial(on_progress, f"checking {name}"))
        self._require_end()

    def _copy(
        self, name: str, entry: FileEntry, target: IO[bytes], on_progress: Callable[[float], None]
    ) -> None:
        size = self._next_file(name)
        if size != entry.size:
            raise InvalidInput(f"{name} has {size} bytes in it, the manifest says {entry.size}")
        digest, left = hashlib.sha256(), size
        while left:
            chunk = self._read_exactly(min(_CHUNK_BYTES, left))
            digest.update(chunk)
            target.write(chunk)
            left -= len(chunk)
            on_progress(1 - left / size)
        if digest.hexdigest() != entry.sha256:
            raise InvalidInput(f"{name} in it does not match its checksum")
        self._skip_padding(size)

    def _next_file(self, name: str) -> int:
        """Read the header of the next file, which must have this name; return its size."""
        block = self._read_exactly(_BLOCK_BYTES)
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise InvalidInput(f"{name} is missing in it ({error})") from error
        if header.type not in _PLAIN_FILES or header.name != name:
            kind = "" if header.type in _PLAIN_FILES else " that is no plain file"
            raise InvalidInput(f"a member {header.name[:60]!r}{kind} is where {name} belongs")
        return header.size

    def _read_exactly(self, size: int) -> bytes:
        found = self._content.read(size)
        if len(found) < size:
            raise EOFError("the end is missing")
        return found

    def _skip_padding(self, size: int) -> None:
        self._read_exactly(-size % _BLOCK_BYTES)

    def _require_end(self) -> None:
        """Read to the end, which also has gzip compare its checksum."""
        if self._content.read(_MAX_END_BYTES).strip(b"\0") or self._content.read(1):
            raise InvalidInput("it contains more than the manifest lists")


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
