"""A server or worker under a supervisor, which starts it again when it has ended."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.support.process_usage import process_tree
from tests.support.server_process import Server

EXIT_TIMEOUT_S = 60


class Service:
    """A command that serves or works on a data directory, started again by `restart`."""

    def __init__(self, command: Sequence[str], data_dir: Path, **settings: str) -> None:
        self._command, self._data_dir, self._settings = command, data_dir, settings
        self._sessions: list[int] = []
        self._start()

    def restart(self) -> None:
        """Start the command again, on the same port, once it has ended."""
        self.server.process.wait(EXIT_TIMEOUT_S)
        self._settings["PORT"] = str(self.server.port)
        self._start()

    def _start(self) -> None:
        self.server = Server(self._data_dir, self._settings, self._command)
        self._sessions.append(self.server.process.pid)  # it starts in a session of its own

    def parent(self) -> psutil.Process:
        """Return the process that was started."""
        return psutil.Process(self.server.process.pid)

    def workers(self) -> list[psutil.Process]:
        """Return the processes that the parent forked."""
        command = self.parent().cmdline()
        return [child for child in self.parent().children() if _command_of(child) == command]

    def children(self, module: str) -> list[psutil.Process]:
        """Return the processes among all descendants that run a module."""
        _, *found = process_tree(self.server.process.pid)
        return [child for child in found if module in _command_of(child)]

    def orphans(self) -> list[psutil.Process]:
        """Return the processes of this service that have lost their parent.

        All are listed before those that have one, so that none is missed that is just starting.
        """
        found, known = self._in_sessions(), set[int]()
        with suppress(psutil.NoSuchProcess):
            known = {each.pid for each in process_tree(self.server.process.pid)}
        return [each for each in found if each.pid not in known]

    def stop(self) -> None:
        """Stop it; kill what is left of it."""
        if self.server.process.poll() is None:
            self.server.stop()
        for process in self._in_sessions():
            process.kill()

    def _in_sessions(self) -> list[psutil.Process]:
        """Return all processes of its sessions that run, wherever they are in the tree."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if os.getsid(process.pid) in self._sessions and is_running(process):
                    found.append(process)
        return found


def is_running(process: psutil.Process) -> bool:
    """Return whether a process has not ended; one that waits to be reaped has."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _command_of(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []
