"""Backups: one archive with the database, a manifest, and the secrets if they are asked for."""

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
    """Where a Cifra keeps its database and its secrets."""

    database: Path
    data_dir: Path


@dataclass(frozen=True)
class Manifest:
    """What an archive says of itself; `revision` is the migration that its database is at."""

    format: int
    cifra: str
    made_at: datetime
    revision: str
    files: Mapping[str, FileEntry]


def create(
    paths: BackupPaths, target: Path, on_progress: ProgressCallback, *, with_secrets: bool = False
) -> Manifest:
    """Archive a database as it is at one moment, and the secrets if wanted, for its owner alone.

    Raises NotFound without a database, Conflict where the target is there, Unavailable where it
    cannot be written or the copy is not sound; of a failure nothing is left.
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
        for path in kept if with_secrets else ():  # as they are now, whatever key comes meanwhile
            files[path.name] = Path(shutil.copy2(path, Path(folder, path.name)))
        manifest = Manifest(
            format=FORMAT,
            cifra=VERSION,
            made_at=datetime.now(UTC),
            revision=sqlite_backup.read_revision(copied),
            files={name: describe(path) for name, path in files.items()},
        )
        said = json.dumps(asdict(manifest), default=str, indent=2).encode()
        write_archive(packed, {MANIFEST: said}, files, on_progress)
        target.hardlink_to(packed)
    return manifest


def restore(
    archive: Path, paths: BackupPaths, revisions: Collection[str], on_progress: ProgressCallback
) -> Manifest:
    """Put an archive's database in its place, and its secrets in theirs, after checking all.

    `revisions` are the migrations that this Cifra knows. Raises Conflict where a database is there
    already, or a journal that would be taken for the new one's; InvalidInput for an archive that is
    torn, foreign, or of a newer Cifra; Unavailable.
    """
    for ending in ("", "-wal", "-shm", "-journal"):
        _require_absent(paths.database.with_name(paths.database.name + ending))
    beside = paths.database.parent
    with _domain_errors(archive), TemporaryDirectory(dir=beside, prefix=".restore-") as folder:
        manifest = _extract_validated(archive, Path(folder), on_progress)
        restored = Path(folder, DATABASE)
        if manifest.revision not in revisions:
            raise InvalidInput(f"{archive} was made by a Cifra that this one does not know")
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
        said = opened.text(MANIFEST, _MAX_MANIFEST_BYTES)
        manifest = TypeAdapter(Manifest).validate_json(said)
        if manifest.format != FORMAT:
            raise InvalidInput(f"Backups of format {manifest.format} are for another Cifra")
        if DATABASE not in manifest.files or not manifest.files.keys() <= {DATABASE, *SECRETS}:
            raise InvalidInput("The archive holds no backup of Cifra")
        for name, entry in manifest.files.items():
            opened.extract(name, entry, folder / name, on_progress)
    return manifest


def _set_owner(path: Path, data_dir: Path) -> None:
    """Leave a file to the user whose folder it goes to, where root restores for them."""
    owner = data_dir.stat()
    if owner.st_uid != os.geteuid():
        os.chown(path, owner.st_uid, owner.st_gid)


def _require_absent(path: Path) -> None:
    if path.exists():
        raise Conflict(f"{path} is there already")


@contextmanager
def _domain_errors(path: Path) -> Iterator[None]:
    """Say in one line what went wrong with a file."""
    try:
        yield
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValidationError) as error:
        raise InvalidInput(f"{path} is not a whole backup") from error
    except FileExistsError as error:
        raise Conflict(f"{path} is there already") from error
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise Unavailable(f"The database cannot be copied: {error}") from error
