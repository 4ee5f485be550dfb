"""A Cifra server for the demo: on this machine only, without rate limits, with its own folder."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from config import ROOT

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 5000, 20
START_TIMEOUT_S, STOP_TIMEOUT_S = 60, 30


@contextmanager
def running_server(data_dir: Path, port: int) -> Iterator[str]:
    """Run a server until the block ends; yield its URL. Raises SystemExit if it does not start.

    It gets none of the caller's settings, so that no other database is filled.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = {"DATA_DIR": str(data_dir), "HOST": HOST, "PORT": str(port)}
    settings |= {"PATH": os.environ["PATH"], "RATELIMIT_ENABLED": "false"}
    with (data_dir / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn"],
            cwd=ROOT,
            env=settings,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is the demo's, which then ends the server
        )
    try:
        _wait_for(server, f"http://{HOST}:{port}", data_dir / "server.log")
        yield f"http://{HOST}:{port}"
    finally:
        _stop(server)


def free_port() -> int:
    """Return the first free port from 5000 on; 5000 is the port of `make run`."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as connection:
            if connection.connect_ex((HOST, port)) != 0:
                return port
    raise SystemExit(f"demo: ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1} are in use; set PORT")


def _wait_for(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < deadline_s:
        try:
            requests.get(f"{url}/readyz", timeout=5).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"demo: the server did not start; see {log}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
