"""Backups: one archive with the database, a manifest and, if requested, the secrets."""

import gzip
import json
import os
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import TypeAdapter, ValidationError

from app.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from app.services.maintenance.backup_archive import (
    Archive,
    FileEntry,
    ProgressCallback,
    describe,
    write_archive,
)
from app.store.engine import sqlite_backup
from app.version import VERSION

FORMAT = 1
DATABASE = "app.db"
MANIFEST = "manifest.json"
SECRETS = ("secret_key", "jwt_secret_key", "jwt_retired_keys", "admin_password")

_MAX_MANIFEST_BYTES = 64 * 1024


@dataclass(frozen=True)
class BackupPaths:
    """Where an installation keeps its database and its secrets."""

    database: Path
    data_dir: Path


@dataclass(frozen=True)
class Manifest:
    """The manifest of an archive; `revision` is the migration of its database."""

    format: int
    cifra: str
    made_at: datetime
    revision: str
    files: Mapping[str, FileEntry]


def create(
    paths: BackupPaths, target: Path, on_progress: ProgressCallback, *, with_secrets: bool = False
) -> Manifest:
    """Archive a consistent snapshot of a database, and the secrets if requested.

    Only its owner can read the archive. Raises NotFound without a database, Conflict if the target
    exists, Unavailable if it cannot be written or the copy is damaged. A failure leaves no file.
    """
    if not paths.database.exists():
        raise NotFound(f"There is no database at {paths.database}")
    _require_absent(target)
    kept = [path for name in SECRETS if (path := paths.data_dir / name).exists()]
    with _domain_errors(target), TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder:
        copied, packed = Path(folder, DATABASE), Path(folder, "archive")
        sqlite_backup.copy_database(
            paths.database, copied, lambda share: on_progress("copying the database", share)
        )
        if found := sqlite_backup.list_faults(copied):
            raise Unavailable(f"The database is damaged: {found[0]}")
        files = {DATABASE: copied}
        for path in kept if with_secrets else ():  # copied first: keys may be rotated at any time
            files[path.name] = Path(shutil.copy2(path, Path(folder, path.name)))
        manifest = Manifest(
            format=FORMAT,
            cifra=VERSION,
            made_at=datetime.now(UTC),
            revision=sqlite_backup.read_revision(copied),
            files={name: describe(path) for name, path in files.items()},
        )
        text = json.dumps(asdict(manifest), default=str, indent=2).encode()
        write_archive(packed, {MANIFEST: text}, files, on_progress)
        target.hardlink_to(packed)
    return manifest


def restore(
    archive: Path, paths: BackupPaths, revisions: Collection[str], on_progress: ProgressCallback
) -> Manifest:
    """Restore an archive's database and secrets, after validating all of them.

    `revisions` are the migrations known to this installation. Raises Conflict if there is already
    a database, or a journal that SQLite would apply to the new one; InvalidInput for an archive
    that is damaged, foreign or of a newer version; Unavailable.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        _require_absent(paths.database.with_name(paths.database.name + suffix))
    beside = paths.database.parent
    with _domain_errors(archive), TemporaryDirectory(dir=beside, prefix=".restore-") as folder:
        manifest = _extract_validated(archive, Path(folder), on_progress)
        restored = Path(folder, DATABASE)
        if manifest.revision not in revisions:
            raise InvalidInput(f"{archive} was made by an unknown or newer version of Cifra")
        if found := sqlite_backup.list_faults(restored):
            raise InvalidInput(f"The database in {archive} is damaged: {found[0]}")
        for name in manifest.files:
            _set_owner(Path(folder, name), paths.data_dir)
            if name != DATABASE:
                shutil.move(Path(folder, name), paths.data_dir / name)
        paths.database.hardlink_to(restored)
    return manifest


def _extract_validated(archive: Path, folder: Path, on_progress: ProgressCallback) -> Manifest:
    with tarfile.open(archive, mode="r:gz") as packed:
        opened = Archive(packed)
        text = opened.read_bytes(MANIFEST, _MAX_MANIFEST_BYTES)
        manifest = TypeAdapter(Manifest).validate_json(text)
        if manifest.format != FORMAT:
            raise InvalidInput(f"Backup format {manifest.format} is not supported")
        if DATABASE not in manifest.files or not manifest.files.keys() <= {DATABASE, *SECRETS}:
            raise InvalidInput("The archive is not a backup of Cifra")
        for name, entry in manifest.files.items():
            opened.extract(name, entry, folder / name, on_progress)
    return manifest


def _set_owner(path: Path, data_dir: Path) -> None:
    """Give a file to the owner of the data folder, in case root restores for that user."""
    owner = data_dir.stat()
    if owner.st_uid != os.geteuid():
        os.chown(path, owner.st_uid, owner.st_gid)


def _require_absent(path: Path) -> None:
    if path.exists():
        raise Conflict(f"{path} already exists")


@contextmanager
def _domain_errors(path: Path) -> Iterator[None]:
    """Convert errors of a file to domain errors with a message of one line."""
    try:
        yield
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValidationError) as error:
        raise InvalidInput(f"{path} is not a complete backup") from error
    except FileExistsError as error:
        raise Conflict(f"{path} already exists") from error
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise Unavailable(f"The database cannot be copied: {error}") from error
