"""What takes seconds to compute and is the same for every test, computed once in a run."""

import fcntl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Arrays = Mapping[str, npt.NDArray[Any]]


def once_per_run(
    folders: pytest.TempPathFactory, name: str, compute: Callable[[], Arrays]
) -> dict[str, npt.NDArray[Any]]:
    """Return what `compute` returns; the processes of a run share the first one's arrays."""
    file = _folder_of_the_run(folders) / f"{name}.npz"
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            np.savez(file, **compute())
    with np.load(file) as archive:
        return dict(archive)


def _folder_of_the_run(folders: pytest.TempPathFactory) -> Path:
    """Return the temporary folder of the run; each process of pytest-xdist has one inside it."""
    folder = folders.getbasetemp()
    return folder.parent if folder.name.startswith("popen-") else folder
