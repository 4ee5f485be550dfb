"""Make the names in a directory durable."""

import os
from pathlib import Path


def sync_directory(folder: Path) -> None:
    """Sync a directory's entries to disk, so that a new name survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
