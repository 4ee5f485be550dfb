"""Start servers in forks of an interpreter that has imported the libraries already.

Importing them takes half of a start, and a test run starts a hundred servers. The fork knows none
of Cifra's modules, and no library that starts threads: what it does from there on is what a new
interpreter would do. `python -m tests.support.preloaded` is the interpreter that forks.
"""

import gc
import json
import os
import random
import runpy
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# Warnings are errors in a server too, except two: Pillow's about damaged tags that it skips, and
# the one about files that werkzeug leaves to the garbage collector when it rejects a body.
WARNINGS = "error,ignore::UserWarning:PIL.TiffImagePlugin,ignore:Unclosed file:ResourceWarning"
LIBRARIES = (
    *("flask", "flask_babel", "flask_bcrypt", "flask_cors", "flask_jwt_extended", "flask_mail"),
    *("flask_limiter", "flask_limiter.util", "flask_socketio", "flask_sqlalchemy", "structlog"),
    *("apispec", "orjson", "prometheus_client", "prometheus_client.openmetrics", "pydantic"),
    *("sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite", "psycopg", "redis"),
    *("limits.storage", "gunicorn.app.wsgiapp", "gunicorn.arbiter", "gunicorn.workers.gthread"),
    *("granian", "granian.net", "multiprocessing.spawn"),
    *("cv2", "numpy.random", "PIL.Image", "PIL.PngImagePlugin", "pydantic.main", "tarfile"),
)


class PreloadedProcess:
    """A process that runs `python ARGUMENTS`; a stand-in for subprocess.Popen."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        output: Path,
        errors: Path | None = None,
    ) -> None:
        """Start it; both streams are appended to `output` unless there is a file for errors."""
        self.returncode: int | None = None
        self._arguments = arguments
        output.touch()
        self.pid = _interpreter().ask(
            start={
                "arguments": list(arguments),
                "environment": dict(environment),
                "output": str(output),
                "errors": str(errors or output),
            }
        )
        self._descriptor = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        if self.returncode is None and select.select([self._descriptor], [], [], 0)[0]:
            self._reap()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends. Raises TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._descriptor], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self._arguments, timeout or 0)
            self._reap()
        return self.returncode or 0

    def terminate(self) -> None:
        """Send SIGTERM."""
        signal.pidfd_send_signal(self._descriptor, signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def _reap(self) -> None:
        self.returncode = _interpreter().ask(reap=self.pid)
        os.close(self._descriptor)


class _Interpreter:
    """The interpreter that forks; it ends when this process does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.preloaded"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONWARNINGS": WARNINGS,
                "OPENBLAS_NUM_THREADS": "1",  # NumPy's threads would not survive the fork
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ask(self, **request: Any) -> int:
        """Send a request, and return the number that answers it."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


@cache
def _interpreter() -> _Interpreter:
    return _Interpreter()


def main() -> None:
    """Fork for each request to start, and wait for the forks that are to be reaped."""
    for name in LIBRARIES:
        import_module(name)
    gc.freeze()  # so that no fork's garbage collection walks through what was imported here
    for line in sys.stdin:
        request = json.loads(line)
        if "reap" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["reap"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                _run(**request["start"])
                return
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _run(
    arguments: Sequence[str], environment: Mapping[str, str], output: str, errors: str
) -> None:
    """Run a module, given as `-m NAME`, or a file, with the arguments after it."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    for descriptor, path in ((0, os.devnull), (1, output), (2, errors)):
        opened = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        os.dup2(opened, descriptor)
        os.close(opened)
    if arguments[0] == "-m":
        sys.argv = list(arguments[1:])
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(arguments)
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
