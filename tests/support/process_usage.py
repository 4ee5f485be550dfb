"""Memory and processor time of a process and all its descendants, while something runs."""

import threading
from contextlib import suppress
from pathlib import Path

import psutil

SAMPLE_INTERVAL_S = 0.01
MEBIBYTE = 1024 * 1024


def memory_bytes(pid: int) -> int:
    """Return the memory of a process tree; a page that processes share counts once."""
    return sum(_proportional_set_size(process) for process in _tree(pid))


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


def _proportional_set_size(process: psutil.Process) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
