"""Alert admins, and stop being ready, before the disk is full."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.domain.errors import Unavailable
from app.store.engine.db import AdvisoryLock, acquire, write_transaction
from app.store.engine.retries import retried
from app.store.queries import alerts

KIND = "disk"
ALERT_RATIO = 4  # admins are alerted while this many times the reserve is free
ALERT_INTERVAL = timedelta(days=1)
MIB = 1 << 20


class DiskMonitor:
    """Compares the free space of a folder's disk with `reserve_bytes`, which is to stay free.

    A reserve of 0 turns it off. `free_bytes` returns the free space of a folder's disk.
    """

    def __init__(
        self,
        folder: Path,
        reserve_bytes: int,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self._folder, self._reserve_bytes, self._free_bytes = folder, reserve_bytes, free_bytes
        self._was_low = False

    @retried
    def check(self) -> None:
        """Raise an alert when space becomes low; one a day for all processes.

        Needs an application context.
        """
        free = self._free()
        is_low = free < ALERT_RATIO * self._reserve_bytes
        if is_low and not self._was_low:
            message = (
                f"{free // MIB} MiB are free at {self._folder}. Below"
                f" {self._reserve_bytes // MIB} MiB Cifra is not ready, and on a full disk it"
                " stores nothing: free some space, or move DATA_DIR"
            )
            with write_transaction() as session:
                acquire(session, AdvisoryLock.ALERTS)
                if not alerts.exists_since(session, KIND, datetime.now(UTC) - ALERT_INTERVAL):
                    alerts.add(session, KIND, message)
        self._was_low = is_low

    def require_space(self) -> None:
        """Raise Unavailable if less than the reserve is free."""
        if self._free() < self._reserve_bytes:
            raise Unavailable("The disk is nearly full")

    def _free(self) -> int:
        try:
            return self._free_bytes(self._folder)
        except OSError:  # the folder is gone, so nothing can be stored there
            return 0
