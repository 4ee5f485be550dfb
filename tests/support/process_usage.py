"""Memory and processor time of a process and all its descendants, while something runs."""

from contextlib import suppress
from pathlib import Path

import psutil

from tests.support.meanwhile import Meanwhile

SAMPLE_INTERVAL_S = 0.01
MEBIBYTE = 1024 * 1024


def memory_bytes(pid: int) -> int:
    """Return the memory that a process tree has allocated; a page that it shares counts once.

    Pages of files, such as libraries, are left out: their share depends on what other programs on
    the machine have them open too.
    """
    return sum(_allocated_bytes(process) for process in process_tree(pid))


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process tree, children that have ended included."""
    total = 0.0
    for process in process_tree(pid):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


class MemoryPeak(Meanwhile):
    """The largest memory of a process tree, sampled until the block ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(lambda: memory_bytes(pid), SAMPLE_INTERVAL_S)

    @property
    def peak_bytes(self) -> int:
        """Return the largest of the samples."""
        return int(max(self.found))


def process_tree(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _allocated_bytes(process: psutil.Process) -> int:
    sizes = {}
    with suppress(OSError):  # it has ended
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, size = line.split()[:2]
            sizes[name] = int(size) * 1024
    return sizes.get("Pss_Anon:", 0) + sizes.get("Pss_Shmem:", 0)
