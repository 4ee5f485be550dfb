"""Take a backup apart, and pack it again with anything changed."""

import gzip
import hashlib
import io
import json
import sqlite3
import tarfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

MANIFEST, DATABASE = "manifest.json", "app.db"

_EMPTY_MODELS = "UPDATE model SET artifact = x''; VACUUM"


@dataclass(frozen=True)
class Good:
    """The files of a good backup, to change."""

    manifest: Mapping[str, Any]
    database: bytes

    @classmethod
    def read(cls, path: Path) -> "Good":
        """Read an archive without secrets."""
        with tarfile.open(path) as archive:
            manifest, database = (
                archive.extractfile(name).read()  # type: ignore[union-attr]
                for name in (MANIFEST, DATABASE)
            )
        return cls(json.loads(manifest), database)

    def without_models(self) -> "Good":
        """Return a backup whose models are empty, which makes it small."""
        small = self.changed(lambda database: database.executescript(_EMPTY_MODELS))
        entry = {"size": len(small), "sha256": hashlib.sha256(small).hexdigest()}
        return Good(dict(self.manifest) | {"files": {DATABASE: entry}}, small)

    def pack(self, **changes: Any) -> bytes:
        """Return the archive with other fields in its manifest."""
        return pack(
            member(MANIFEST, to_json(self.manifest | changes)),
            member(DATABASE, self.database),
        )

    def pack_files(self, files: Mapping[str, bytes], **changes: Any) -> bytes:
        """Return an archive of these files, with a manifest that fits them."""
        entries = {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        }
        manifest = self.manifest | {"files": entries} | changes
        return pack(
            member(MANIFEST, to_json(manifest)),
            *(member(name, text) for name, text in files.items()),
        )

    def pack_database(self, change: Callable[[sqlite3.Connection], object]) -> bytes:
        """Return an archive whose database was changed; its checksum is right."""
        return self.pack_files({DATABASE: self.changed(change)})

    def changed(self, change: Callable[[sqlite3.Connection], object]) -> bytes:
        """Return the database with a change."""
        with TemporaryDirectory() as folder:
            path = Path(folder, DATABASE)
            path.write_bytes(self.database)
            with closing(sqlite3.connect(path, isolation_level=None)) as database:
                change(database)
            return path.read_bytes()


def to_json(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value).encode()


Member = tuple[bytes, bytes]
"""The header of a member, and its content without padding."""


def pack(*members: Member) -> bytes:
    """Return a compressed archive of these members."""
    packed = io.BytesIO()
    with gzip.open(packed, "wb", 1) as file:
        for header, content in members:
            file.write(header + content + bytes(-len(content) % tarfile.BLOCKSIZE))
        file.write(bytes(2 * tarfile.BLOCKSIZE))
    return packed.getvalue()


def member(name: str, content: bytes) -> Member:
    """Return a plain file."""
    return header(name, len(content))[0], content


def header(name: str, size: int) -> Member:
    """Return the header of a plain file that announces a size, without content."""
    made = tarfile.TarInfo(name)
    made.size = size
    return made.tobuf(tarfile.GNU_FORMAT), b""


def special_member(name: str, member_type: bytes, target: str = "/etc/passwd") -> Member:
    """Return a member of another type."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = member_type, target
    return made.tobuf(tarfile.GNU_FORMAT), b""
