"""Memory and processor time of a process and all its descendants, while something runs."""

import threading
from contextlib import suppress
from pathlib import Path

import psutil

SAMPLE_INTERVAL_S = 0.01
MEBIBYTE = 1024 * 1024


def memory_bytes(pid: int) -> int:
    """Return the memory that a process tree has allocated; a page that it shares counts once.

    Pages of files, such as libraries, are left out: their share depends on what other programs on
    the machine have them open too.
    """
    return sum(_allocated_bytes(process) for process in _tree(pid))


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process tree, children that have ended included."""
    total = 0.0
    for process in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


class MemoryPeak:
    """The largest memory of a process tree, sampled until the block ends."""

    def __init__(self, pid: int) -> None:
        self._pid, self._stop = pid, threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.peak_bytes = 0

    def __enter__(self) -> "MemoryPeak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, memory_bytes(self._pid))
            if self._stop.wait(SAMPLE_INTERVAL_S):
                return


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _allocated_bytes(process: psutil.Process) -> int:
    sizes = {}
    with suppress(OSError):  # it has ended
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, size = line.split()[:2]
            sizes[name] = int(size) * 1024
    return sizes.get("Pss_Anon:", 0) + sizes.get("Pss_Shmem:", 0)
