"""Keep the newest backups in a folder, and delete older ones.

Newest means the highest number, not the latest time: names begin with a number that counts up, so a
clock that jumps changes no order. A file is deleted only if enough newer ones were just read and
their checksums match, and its manifest says that this installation wrote it.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.domain.errors import CifraError, Conflict, NotFound, Unavailable
from app.services.maintenance import backups
from app.services.maintenance.backup_archive import ProgressCallback, open_archive
from app.services.maintenance.backups import Backup, BackupPaths

_NAME = re.compile(r"cifra-(\d{6,})-\d{8}T\d{6}Z\.tgz", re.ASCII)


@dataclass(frozen=True)
class Rotation:
    """What a rotation deleted, and the backups that it cannot use or read."""

    deleted: list[str]
    damaged: list[str]


def next_path(folder: Path, now: datetime) -> Path:
    """Return the path of the next backup: numbered, with its time in UTC."""
    number = max((_number(path) for path in _list_named(folder)), default=0) + 1
    return folder / f"cifra-{number:06d}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.tgz"


def create_next(
    paths: BackupPaths,
    folder: Path,
    migrations: Path,
    on_progress: ProgressCallback,
    *,
    with_secrets: bool,
    installation: str,
) -> tuple[Path, Backup]:
    """Create a backup under the next name, or a later one if another process takes that meanwhile.

    Raises what `backups.create` raises, but Conflict.
    """
    while True:
        target = next_path(folder, datetime.now(UTC))
        with suppress(Conflict):
            made = backups.create(
                paths,
                target,
                migrations,
                on_progress,
                with_secrets=with_secrets,
                installation=installation,
            )
            return target, made


def rotate(folder: Path, keep: int, installation: str, on_progress: ProgressCallback) -> Rotation:
    """Delete an installation's backups beyond the newest `keep` that are good.

    Raises Unavailable if one cannot be deleted.
    """
    good, deleted, damaged = 0, [], []
    for path in sorted(_list_named(folder), key=_order, reverse=True):
        try:
            with open_archive(path) as opened:
                if opened.read_manifest().installation != installation:
                    continue
            if good < keep:
                backups.check_checksums(path, on_progress)
                good += 1
                continue
        except NotFound:  # another rotation was faster
            continue
        except CifraError:
            damaged.append(path.name)
            continue
        _delete(path)
        deleted.append(path.name)
    return Rotation(deleted, damaged)


def _list_named(folder: Path) -> Iterator[Path]:
    """Yield the files that are named like backups; a link is none. Raises Unavailable."""
    try:
        paths = list(folder.iterdir())
    except OSError as error:
        raise Unavailable(f"{folder} cannot be read: {error.strerror}") from error
    for path in paths:
        if _NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            yield path


def _number(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else 0


def _order(path: Path) -> tuple[int, str]:
    return _number(path), path.name


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"{path} cannot be deleted: {error.strerror}") from error
