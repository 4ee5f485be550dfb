"""Keep other users of the machine from reading the database and the secrets.

What Cifra writes is private by its umask (serving/start_checks.py). Files of earlier
releases, or put into DATA_DIR from elsewhere, may be readable by everybody.
"""

import glob
import logging
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

from app.services.maintenance.backup_manifest import SECRETS

_FOR_OTHERS = 0o077  # the permissions of other users, and of the group

_log = logging.getLogger(__name__)


def list_private(data_dir: Path, database: Path | None) -> Iterator[Path]:
    """Yield the secrets and the files of an SQLite database: itself, its journals and copies."""
    paths = [data_dir / name for name in SECRETS]
    if database is not None:
        paths += sorted(database.parent.glob(f"{glob.escape(database.name)}*"))
    return (path for path in paths if path.is_file())


def is_accessible_to_others(path: Path) -> bool:
    """Return whether another user can read or write a file, or enter a folder."""
    try:
        return bool(S_IMODE(path.stat().st_mode) & _FOR_OTHERS)
    except FileNotFoundError:  # SQLite deletes its journals at any time
        return False


def make_private(data_dir: Path, database: Path | None) -> None:
    """Make the files accessible to their owner only; say in the log which ones stay as they are.

    The folder keeps its permissions, which the operator may have chosen for other files in it.
    """
    for path in list_private(data_dir, database):
        try:
            if is_accessible_to_others(path):
                path.chmod(0o600)
        except OSError as error:
            _log.warning("%s stays readable by other users: %s", path, error.strerror)
