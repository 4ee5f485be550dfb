"""Restore a backup, or rehearse that in a temporary folder."""

import os
import shutil
from pathlib import Path
from tempfile import gettempdir

from app.domain.errors import Conflict, InvalidInput, Unavailable
from app.services.maintenance import backup_checks, backup_contents
from app.services.maintenance.backup_archive import ProgressCallback, open_archive
from app.services.maintenance.backup_contents import Contents
from app.services.maintenance.backup_manifest import DATABASE, Manifest
from app.services.maintenance.backups import Backup, BackupPaths, require_absent
from app.services.maintenance.work_folders import work_folder
from app.store.engine.directory_sync import sync_directory


def unpack(archive: Path, folder: Path, migrations: Path, on_progress: ProgressCallback) -> Backup:
    """Unpack a backup into an empty folder, check all of it, and migrate its database.

    Raises NotFound, InvalidInput for an archive that is damaged, foreign or of a newer release, and
    Unavailable. Everything that a restore could stumble over raises here.
    """
    with open_archive(archive) as opened:
        manifest = opened.read_manifest()
        opened.extract(manifest, folder, on_progress)
        database = folder / DATABASE
        checked = backup_checks.check_database(database, migrations)
        if checked.revision != manifest.revision:
            raise InvalidInput(
                f"the manifest says migration {manifest.revision[:20]!r}, and the database"
                f" {checked.revision!r}"
            )
        backup_checks.check_secrets(folder, manifest.files.keys())
        backup_checks.migrate(database, migrations)
    return Backup(manifest, checked.left_out)


def rehearse(
    archive: Path, migrations: Path, on_progress: ProgressCallback
) -> tuple[Backup, Contents]:
    """Restore a backup into a temporary folder and examine it, then remove all of it.

    Raises what `unpack` raises; InvalidInput also if what is in it would not serve.
    """
    place = Path(gettempdir())
    try:
        with work_folder(place, "cifra-verify-") as folder:
            backup = unpack(archive, folder, migrations, on_progress)
            try:
                return backup, backup_contents.examine(folder / DATABASE)
            except InvalidInput as error:
                raise InvalidInput(f"{archive} can be restored, but {error.message}") from error
    except OSError as error:
        raise Unavailable(f"{place}: {error.strerror or error}; TMPDIR names another") from error


def restore(
    archive: Path, paths: BackupPaths, migrations: Path, on_progress: ProgressCallback
) -> Backup:
    """Restore a backup's database, migrated, and its secrets, after checking all of it.

    Raises what `unpack` raises; Conflict if there is already a database, or a journal that SQLite
    would apply to the new one.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        require_absent(paths.database.with_name(paths.database.name + suffix))
    try:
        with work_folder(paths.database.parent, ".restore-") as folder:
            unpacked = unpack(archive, folder, migrations, on_progress)
            _move_into_place(folder, unpacked.manifest, paths)
    except FileExistsError as error:
        raise Conflict(f"{paths.database} already exists") from error
    except OSError as error:
        raise Unavailable(f"{paths.database}: {error.strerror or error}") from error
    return unpacked


def _move_into_place(folder: Path, manifest: Manifest, paths: BackupPaths) -> None:
    """Move the secrets, then the database: whoever sees it sees its keys too."""
    for name in manifest.files:
        _set_owner(folder / name, paths.data_dir)
        if name != DATABASE:
            shutil.move(folder / name, paths.data_dir / name)
    sync_directory(paths.data_dir)
    paths.database.hardlink_to(folder / DATABASE)
    sync_directory(paths.database.parent)


def _set_owner(path: Path, data_dir: Path) -> None:
    """Give a file to the owner of the data folder, in case root restores for that user."""
    owner = data_dir.stat()
    if owner.st_uid != os.geteuid():
        os.chown(path, owner.st_uid, owner.st_gid)
