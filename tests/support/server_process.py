"""Real server processes, started as `make run` does, each with a free port and its own data."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import requests

from tests.support.preloaded import ROOT, WARNINGS, PreloadedProcess

START_TIMEOUT_S = 60
MAX_IDLE_S = 15  # of a client's connections; the server closes them after 30

QUICK = {"BCRYPT_ROUNDS": "4", "PYTHONWARNINGS": WARNINGS, "DRAIN_TIME_S": "0"}
UNLIMITED = QUICK | {"RATELIMIT_ENABLED": "false"}

# Settings with which a first start sets up something else than without them.
FIRST_START_SETTINGS = {"ADMIN_USERNAME", "ADMIN_PASSWORD", "DATABASE_URL", "SECRET_KEY"}

EMBEDDED = (sys.executable, "-m", "gunicorn")
HTTP_TIER = (sys.executable, "serve_granian.py")


class Server:
    """A server process with its URL and its data directory."""

    def __init__(
        self,
        data_dir: Path,
        settings: dict[str, str],
        command: Sequence[str] = EMBEDDED,
        *,
        is_preloaded: bool = True,
    ) -> None:
        self.data_dir = data_dir
        self.command = command
        self.port = int(settings.get("PORT") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir / "server.log"
        data_dir.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            **settings,
        }
        self.process = _start(command, environment, self.log, is_preloaded=is_preloaded)

    def wait(self) -> None:
        """Wait until the server is ready."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                requests.get(f"{self.url}/readyz", timeout=5).raise_for_status()
            except requests.RequestException:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def kill(self) -> None:
        """Send SIGKILL to the server and all its child processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Stop the server with SIGTERM, as an operator would."""
        self.process.terminate()
        self.process.wait(timeout=30)

    @property
    def admin_password(self) -> str:
        """The password that the first start generated."""
        return (self.data_dir / "admin_password").read_text().strip()

    def login(self, username: str, password: str) -> "Client":
        """Log in, and return a client that sends the token."""
        return Client(self.url, username, password)

    def admin_client(self) -> "Client":
        """Log in as the first admin."""
        return self.login("admin", self.admin_password)

    def admin_client_of(self, data_dir: Path) -> "Client":
        """Log in as the first admin of a database that another server set up in `data_dir`."""
        return self.login("admin", (data_dir / "admin_password").read_text().strip())

    def register(self, username: str) -> "Client":
        """Register a user and log in; the user may exist, from an earlier set-up of a fixture."""
        password = f"password of {username}"
        registration = {"username": username, "password": password}
        response = requests.post(f"{self.url}/register", json=registration, timeout=30)
        assert response.status_code in {201, 409}, response.text
        return self.login(username, password)


class Client(requests.Session):
    """A logged-in user of a server process."""

    def __init__(self, url: str, username: str, password: str) -> None:
        super().__init__()
        self.url = url
        credentials = {"username": username, "password": password}
        response = requests.post(f"{url}/login", json=credentials, timeout=30)
        assert response.status_code == 200, response.text
        self.tokens = response.json()
        self.headers["Authorization"] = f"Bearer {self.tokens['access_token']}"
        self._called_at_s = time.monotonic()

    def call(self, method: str, path: str, **kwargs: object) -> requests.Response:
        """Send one request, on a connection that the server is not just closing."""
        if time.monotonic() - self._called_at_s > MAX_IDLE_S:
            self.close()
        self._called_at_s = time.monotonic()
        return self.request(method, self.url + path, timeout=60, **kwargs)

    def predict(self, route: str, image: bytes) -> requests.Response:
        """Post an image to /api/<route>/predict, as a multipart file."""
        return self.call("POST", f"/api/{route}/predict", files={"file": ("d.png", image)})


@contextmanager
def serve(
    data_dir: Path,
    command: Sequence[str] = EMBEDDED,
    *,
    is_preloaded: bool = True,
    **settings: str,
) -> Iterator[Server]:
    """Run a server with these settings until the block ends; a traceback in its log is an error.

    A new data directory becomes a copy of one that had its first start. A server whose memory is
    measured may not be preloaded: what it shares with the interpreter it is forked from would
    become its own little by little.
    """
    if not data_dir.exists() and not FIRST_START_SETTINGS & settings.keys():
        shutil.copytree(_prepared_data_dir(), data_dir)
    server = Server(data_dir, settings, command, is_preloaded=is_preloaded)
    try:
        server.wait()
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
    log = server.log.read_text()
    assert "Traceback" not in log, log
    assert "SIGABRT" not in log, log


def _start(
    command: Sequence[str],
    environment: dict[str, str],
    log_file: Path,
    *,
    is_preloaded: bool = True,
) -> "subprocess.Popen[bytes] | PreloadedProcess":
    """Start a process in a session of its own; Python, in a test, in a preloaded interpreter."""
    is_test = "PYTEST_VERSION" in os.environ
    is_python = command[0] == sys.executable
    has_its_warnings = environment.get("PYTHONWARNINGS") == WARNINGS
    if is_preloaded and is_test and is_python and has_its_warnings:
        return PreloadedProcess(command[1:], environment, log_file)
    with log_file.open("ab") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )


@cache
def _prepared_data_dir() -> Path:
    """Return a data directory as after a first start, to copy: setting one up takes a second."""
    folder = Path(mkdtemp(prefix="cifra-prepared-"))
    atexit.register(shutil.rmtree, folder)
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "prepare"]
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder), **QUICK}
    log = folder / "prepare.log"
    assert _start(command, environment, log).wait(START_TIMEOUT_S) == 0, log.read_text()
    log.unlink()
    return folder


_reserved: list[socket.socket] = []


def free_port() -> int:
    """Reserve a port that nothing listens on, until this process ends.

    As long as a socket is bound to it, even without listening, the kernel gives the port to nobody
    who asks for any free port, here or in another test run; a server that names it can still bind.
    """
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reservation.bind(("127.0.0.1", 0))
    _reserved.append(reservation)
    return int(reservation.getsockname()[1])
