"""Load from wrk, on its own core, and its measurements."""

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
    """A folder of files named 0.png and so on, and their number."""

    folder: Path
    count: int


@dataclass(frozen=True)
class Target:
    """What is posted to: the URL, how the image is sent, and the token, if any."""

    url: str
    form: str = "multipart"
    token: str = ""


@dataclass(frozen=True)
class Measurement:
    """What wrk measured; `failed` counts responses other than 2xx, and missing ones."""

    requests: int
    seconds: float
    failed: int
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Return requests per second."""
        return self.requests / self.seconds


def ensure_wrk() -> None:
    """Exit with a message if wrk is missing."""
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
