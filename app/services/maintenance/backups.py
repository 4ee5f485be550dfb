"""Backups: one archive with the database, a manifest and, if requested, the secrets."""

import shutil
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from app.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from app.services.maintenance import backup_checks
from app.services.maintenance.backup_archive import (
    ProgressCallback,
    describe,
    open_archive,
    write_archive,
)
from app.services.maintenance.backup_manifest import DATABASE, FORMAT, SECRETS, Manifest
from app.services.maintenance.work_folders import work_folder
from app.store.engine import sqlite_backup
from app.store.engine.directory_sync import sync_directory
from app.store.engine.sqlite_schema import ForeignObject
from app.version import VERSION


@dataclass(frozen=True)
class BackupPaths:
    """Where an installation keeps its database and its secrets."""

    database: Path
    data_dir: Path


@dataclass(frozen=True)
class Backup:
    """What an archive contains, and what was left out because Cifra did not create it."""

    manifest: Manifest
    left_out: list[ForeignObject]


def installation_id(secret_key: str) -> str:
    """Return a name for an installation that tells nothing of its secret key."""
    return sha256(b"installation:" + secret_key.encode()).hexdigest()[:16]


def create(
    paths: BackupPaths,
    target: Path,
    migrations: Path,
    on_progress: ProgressCallback,
    *,
    with_secrets: bool = False,
    installation: str = "",
) -> Backup:
    """Archive a consistent snapshot of a database, and the secrets if requested.

    What is written was checked as a restore checks it, and read back. Only its owner can read the
    archive. Raises NotFound without a database, Conflict if the target exists, Unavailable if it
    cannot be written or would not be restored. A failure leaves no file.
    """
    if not paths.database.exists():
        raise NotFound(f"There is no database at {paths.database}")
    require_absent(target)
    try:
        with work_folder(target.parent, ".backup-") as folder:
            names = _copy(paths, folder, on_progress, with_secrets=with_secrets)
            checked = backup_checks.check_database(folder / DATABASE, migrations)
            backup_checks.check_secrets(folder, names)
            manifest = Manifest(
                format=FORMAT,
                cifra=VERSION,
                made_at=datetime.now(UTC),
                revision=checked.revision,
                files={name: describe(folder / name) for name in names},
                installation=installation,
            )
            packed = folder / "archive"
            write_archive(packed, manifest, folder, on_progress)
            check_checksums(packed, on_progress)
            target.hardlink_to(packed)
            sync_directory(target.parent)
    except FileExistsError as error:
        raise Conflict(f"{target} already exists") from error
    except InvalidInput as error:
        raise Unavailable(f"{paths.database} cannot be backed up: {error.message}") from error
    except OSError as error:
        raise Unavailable(f"{target}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise Unavailable(f"The database cannot be copied: {error}") from error
    return Backup(manifest, checked.left_out)


def check_checksums(archive: Path, on_progress: ProgressCallback) -> Manifest:
    """Read an archive and compare its checksums. Raises what `open_archive` raises."""
    with open_archive(archive) as opened:
        manifest = opened.read_manifest()
        opened.check(manifest, on_progress)
    return manifest


def require_absent(path: Path) -> None:
    """Raise Conflict if there is a file at this path."""
    if path.exists():
        raise Conflict(f"{path} already exists")


def _copy(
    paths: BackupPaths, folder: Path, on_progress: ProgressCallback, *, with_secrets: bool
) -> list[str]:
    """Copy the database and the secrets, which may be rotated at any time; return their names."""
    sqlite_backup.copy_database(
        paths.database,
        folder / DATABASE,
        lambda share: on_progress("copying the database", share),
    )
    secrets = [name for name in SECRETS if with_secrets and (paths.data_dir / name).exists()]
    for name in secrets:
        shutil.copy2(paths.data_dir / name, folder / name)
    return [DATABASE, *secrets]
