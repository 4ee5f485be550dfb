"""Private folders for unfinished work, of which a killed process leaves none for good."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp


@contextmanager
def work_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Create a folder that only its owner can read, and remove it afterwards.

    Remove those of killed processes too: a process that works holds a lock on its folder. Raises
    OSError.
    """
    _remove_abandoned(parent, prefix)
    folder, lock = _create_locked(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _create_locked(parent: Path, prefix: str) -> tuple[Path, int]:
    """Create a folder and lock it; again if another process took it for an abandoned one."""
    while True:
        folder = Path(mkdtemp(dir=parent, prefix=prefix))
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks, where nothing is removed either
                fcntl.flock(lock, fcntl.LOCK_SH)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _remove_abandoned(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError):  # of another user, or somebody works in it
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
