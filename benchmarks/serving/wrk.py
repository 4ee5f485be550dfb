"""Load from wrk, on a core of its own, and what it measured."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("post.lua")
LOAD_CORE = "1"


@dataclass(frozen=True)
class ImageFolder:
    """A folder of files named 0.png and so on, and how many they are."""

    folder: Path
    count: int


@dataclass(frozen=True)
class Target:
    """What is posted to: its address, how the image is sent, and the token, if it takes one."""

    url: str
    form: str = "multipart"
    token: str = ""


@dataclass(frozen=True)
class Measurement:
    """What wrk saw; `failed` answers were no 2xx, or none at all."""

    requests: int
    seconds: float
    failed: int
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def ensure_wrk() -> None:
    """End the program with one line where wrk is missing."""
    if shutil.which("wrk") is None:
        raise SystemExit("This benchmark needs wrk: apt install wrk")


def measure(target: Target, images: ImageFolder, connections: int, seconds: int) -> Measurement:
    """Post images as fast as they are answered."""
    command = [
        *("taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"),
        *("--timeout", "30s", "-s", str(SCRIPT), target.url, "--"),
        *(str(images.folder), str(images.count), target.form, *_if_any(target.token)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Measurement(**json.loads(done.stdout.splitlines()[-1]))


def _if_any(token: str) -> Sequence[str]:
    return [token] if token else []
