"""Cifra served for real: the process that `make run` starts, on a free port and data of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 60

# Warnings are errors in the server too, but for two: Pillow's on damaged tags that it skips, and
# the one on files that werkzeug leaves to the garbage collector when it gives up on a body.
WARNINGS = "error,ignore::UserWarning:PIL.TiffImagePlugin,ignore:Unclosed file:ResourceWarning"
QUICK = {"BCRYPT_ROUNDS": "4", "PYTHONWARNINGS": WARNINGS}
UNLIMITED = QUICK | {"RATELIMIT_ENABLED": "false"}

EMBEDDED = (sys.executable, "-m", "gunicorn")
HTTP_TIER = (sys.executable, "serve_granian.py")


class Server:
    """A running server; `url` is where, `data_dir` is what it keeps."""

    def __init__(
        self, data_dir: Path, settings: dict[str, str], command: Sequence[str] = EMBEDDED
    ) -> None:
        self.data_dir = data_dir
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
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait for the first answer."""
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
        """Send kill -9 to the server with all its processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End the server as an operator would."""
        self.process.terminate()
        self.process.wait(timeout=30)

    @property
    def admin_password(self) -> str:
        """The password that the first start made."""
        return (self.data_dir / "admin_password").read_text().strip()

    def login(self, username: str, password: str) -> "Client":
        """Log in and return a client that carries the token."""
        return Client(self.url, username, password)

    def admin_client(self) -> "Client":
        """A client of the first admin."""
        return self.login("admin", self.admin_password)

    def admin_client_of(self, data_dir: Path) -> "Client":
        """A client of the admin whom a first start elsewhere made, on the same database."""
        return self.login("admin", (data_dir / "admin_password").read_text().strip())

    def register(self, username: str) -> "Client":
        """Register somebody and return their client."""
        password = f"password of {username}"
        registration = {"username": username, "password": password}
        made = requests.post(f"{self.url}/register", json=registration, timeout=30)
        assert made.status_code == 201, made.text
        return self.login(username, password)


class Client(requests.Session):
    """Requests to one server with the token of one login."""

    def __init__(self, url: str, username: str, password: str) -> None:
        super().__init__()
        self.url = url
        credentials = {"username": username, "password": password}
        answer = requests.post(f"{url}/login", json=credentials, timeout=30)
        assert answer.status_code == 200, answer.text
        self.tokens = answer.json()
        self.headers["Authorization"] = f"Bearer {self.tokens['access_token']}"

    def call(self, method: str, path: str, **kwargs: object) -> requests.Response:
        """Send one request."""
        return self.request(method, self.url + path, timeout=60, **kwargs)

    def predict(self, route: str, picture: bytes) -> requests.Response:
        """Post a picture to /api/<route>/predict."""
        return self.call("POST", f"/api/{route}/predict", files={"file": ("d.png", picture)})


@contextmanager
def serve(data_dir: Path, command: Sequence[str] = EMBEDDED, **settings: str) -> Iterator[Server]:
    """Serve with these settings until the block ends; an error in the log fails the test."""
    server = Server(data_dir, settings, command)
    try:
        server.wait()
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
    log = server.log.read_text()
    assert "Traceback" not in log, log
    assert "SIGABRT" not in log, log


_reserved: list[socket.socket] = []


def free_port() -> int:
    """Reserve a port that nothing listens on, until this process ends.

    A bound socket that never listens keeps the kernel from giving the port to anybody who asks for
    any port, in this run of the tests or another; a server that names the port may still bind it.
    """
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reservation.bind(("127.0.0.1", 0))
    _reserved.append(reservation)
    return int(reservation.getsockname()[1])
