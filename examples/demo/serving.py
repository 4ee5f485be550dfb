"""A Cifra for the demo alone: on this machine only, without limits, with a folder of its own."""

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
    """Serve until the block ends; gives the address. Raises SystemExit where it does not start.

    None of the caller's settings reach it, so that no database of theirs is filled.
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
    """The first port from 5000 on that nothing listens on; 5000 is what `make run` takes."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) != 0:
                return port
    raise SystemExit(f"demo: ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1} are taken; set PORT")


def _wait_for(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < deadline_s:
        try:
            requests.get(f"{url}/readyz", timeout=5).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"demo: the server did not start; {log} says why")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
