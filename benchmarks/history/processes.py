"""The processes of a run, and what is done to them: kill -9, restarts of the database.

On SQLite one server does everything, as `make run` starts it. On PostgreSQL there are an HTTP tier
with two workers, a live service, a retrain worker and a Redis, as docs/SCALING.md describes.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from benchmarks.history.trace import BEGINS, READY, Recorder
from tests.conftest import SECRETS
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.server_process import EMBEDDED, HTTP_TIER, UNLIMITED, Server, free_port

MAX_EXIT_S = 120.0
MAX_START_S = 600.0  # of a server at the lowest priority on a busy machine
WORKERS = 2
SERVER, LIVE, RETRAIN_WORKER = "server", "live service", "retrain worker"
OUTLIVED = "a process outlived the server's parent process"
DECODER = "app.imaging.decoder_process"
READY_LINE = "waiting for retrain jobs"  # of a retrain worker

_RETRAIN_COMMAND = (sys.executable, "-m", "flask", "--app", "wsgi", "worker")


class Processes:
    """The running processes. What is done to them, and what they do, is recorded as events."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str], commands: Mapping[str, Sequence[str]]
    ) -> None:
        """`commands` start the server, and what else runs beside it."""
        self.data_dir, self.settings = folder / SERVER, UNLIMITED | dict(settings)
        self._folder, self._commands = folder, commands
        self._ports = {name: str(free_port()) for name in commands}
        self._running: dict[str, Server] = {}
        self.recorder: Recorder | None = None
        self.actions: dict[str, Callable[[], None]] = {
            "kill a server worker": self._kill_worker,
            "kill the server's parent process": self._kill_parent,
            "kill a decoder process": self._kill_decoder,
        }
        self.actions |= {f"kill the {name}": partial(self._kill, name) for name in commands}

    @property
    def server(self) -> Server:
        """The server that answers clients."""
        return self._running[SERVER]

    def start_all(self) -> None:
        """Start everything, and wait until the server is ready."""
        for name in self._commands:
            self._start(name)

    def stop_all(self) -> None:
        """Stop everything in an orderly way, or kill it if that takes too long."""
        for running in self._running.values():
            if running.process.poll() is None:
                running.process.terminate()
                try:
                    running.process.wait(MAX_EXIT_S)
                except subprocess.TimeoutExpired:
                    running.kill()

    def act(self, action: str) -> None:
        """Do what a fault of the plan names, and wait until the server is ready again."""
        self._record(action, BEGINS)
        self.actions[action]()
        self.restart_ended()
        _wait_until_ready(self.server)
        self._record(action, READY)

    def restart_ended(self) -> None:
        """Start what ended by itself again, as an operator's supervisor would."""
        for name, running in list(self._running.items()):
            if running.process.poll() is not None:
                self._record(name, f"ended by itself with {running.process.returncode}")
                self._start(name)

    def _start(self, name: str) -> None:
        """Start a process, always on the same port; wait until it serves, or waits for jobs."""
        settings = self.settings | {"PORT": self._ports[name]}
        if name == LIVE:
            settings |= {"ROLE": "live", "WEB_WORKERS": "1"}
        starts = 0 if name not in self._running else _count_ready_lines(self._running[name])
        self._running[name] = Server(self._folder / name, settings, self._commands[name])
        if name == RETRAIN_WORKER:
            _wait_until_working(self._running[name], starts)
        else:
            _wait_until_ready(self._running[name])

    def _kill(self, name: str) -> None:
        """Kill a process with all its children."""
        self._running[name].kill()
        self._start(name)

    def _kill_worker(self) -> None:
        """Kill a process that serves: one that has started decoders."""
        os.kill(random.choice(self._decoders()).ppid(), signal.SIGKILL)

    def _kill_decoder(self) -> None:
        random.choice(self._decoders()).kill()

    def _kill_parent(self) -> None:
        """Kill the parent process only, and wait until its workers have noticed and ended."""
        processes = self._descendants()
        os.kill(self.server.process.pid, signal.SIGKILL)
        self.server.process.wait()
        _, alive = psutil.wait_procs(processes, timeout=MAX_EXIT_S)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                self._record(OUTLIVED, " ".join(process.cmdline()))
                process.kill()
        self._start(SERVER)

    def _descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.server.process.pid).children(recursive=True)

    def _decoders(self) -> list[psutil.Process]:
        """Return the decoder processes, once there are any. Raises TimeoutError."""
        deadline = time.monotonic() + MAX_START_S
        while time.monotonic() < deadline:
            found = [each for each in self._descendants() if _is_decoder(each)]
            if found:
                return found
            time.sleep(0.1)
        raise TimeoutError("no decoder process was started")

    def _record(self, what: str, event: str) -> None:
        if self.recorder is not None:
            self.recorder.add_event(what, event)


def _is_decoder(process: psutil.Process) -> bool:
    try:
        return DECODER in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def _wait_until_ready(server: Server) -> None:
    """Wait until a server is ready. Raises AssertionError if it ended, or takes too long."""
    deadline = time.monotonic() + MAX_START_S
    while True:
        try:
            server.wait()
        except AssertionError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise
        else:
            return


def _count_ready_lines(worker: Server) -> int:
    return worker.log.read_text().count(READY_LINE)


def _wait_until_working(worker: Server, earlier_starts: int) -> None:
    """Wait until a retrain worker waits for jobs: one that starts needs the database.

    Raises AssertionError if it ended, or takes too long.
    """
    deadline = time.monotonic() + MAX_START_S
    while _count_ready_lines(worker) <= earlier_starts:
        assert worker.process.poll() is None, worker.log.read_text()
        assert time.monotonic() < deadline, worker.log.read_text()
        time.sleep(0.1)


@contextmanager
def run_processes(database: str, folder: Path, planted: str | None) -> Iterator[Processes]:
    """Run the processes of a setup until the block ends, with a planted fault if one is named."""
    if database == "sqlite":
        with _running(Processes(folder, SECRETS, {SERVER: _command(EMBEDDED, planted)})) as found:
            yield found
        return
    postgres, redis = PostgresServer(synchronous_commit=True), RedisServer(folder)
    shared = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url, "WEB_WORKERS": str(WORKERS)}
    commands = {
        SERVER: _command(HTTP_TIER, planted),
        LIVE: EMBEDDED,
        RETRAIN_WORKER: _RETRAIN_COMMAND,
    }
    processes = Processes(folder, SECRETS | shared, commands)
    processes.actions["restart the database"] = postgres.restart
    processes.actions["kill the database"] = postgres.crash
    try:
        with _running(processes) as found:
            yield found
    finally:
        redis.kill()
        postgres.stop()


@contextmanager
def _running(processes: Processes) -> Iterator[Processes]:
    try:
        processes.start_all()
        yield processes
    finally:
        processes.stop_all()


def _command(command: Sequence[str], planted: str | None) -> Sequence[str]:
    if planted is None:
        return command
    return (*EMBEDDED, f"benchmarks.history.planted_faults:create_app('{planted}')")
