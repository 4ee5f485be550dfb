"""A real Redis for tests."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.server_process import free_port


class RedisServer:
    """A running Redis without persistence that can be killed, paused and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        executable = shutil.which("redis-server")
        if executable is None:
            missing = "redis-server is not installed"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
        command = [executable, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [*command, "--appendonly", "no", "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("redis-server did not start")

    @property
    def pid(self) -> int:
        """The id of the server process."""
        return self._process.pid

    def kill(self) -> None:
        """Kill the server; its data is lost."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Stop answering, with all connections left open."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again."""
        self._process.send_signal(signal.SIGCONT)
