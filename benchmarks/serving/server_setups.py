"""Servers on one core: Cifra's HTTP tier, Cifra embedded, and the bare FastAPI server."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from app.domain.assignment import Version
from app.services.models import registry as models
from app.services.models.digit_classifier import read_model_name
from app.store.engine.db import write_transaction
from benchmarks.serving.wrk import Target
from tests.conftest import ADMIN_PASSWORD, bootstrapped_app, make_config
from tests.support.server_process import EMBEDDED, HTTP_TIER, ROOT, Server, free_port, serve

CORE = "0"
FASTAPI_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
UNREACHABLE_LIMIT = "1000000000"

# As a user would raise them: everything stays on.
SETTINGS = {
    "ADMIN_PASSWORD": ADMIN_PASSWORD,
    "ACCESS_TOKEN_MINUTES": "600",
    "RATELIMIT_DEFAULT": f"{UNREACHABLE_LIMIT} per day;{UNREACHABLE_LIMIT} per hour",
    "RATELIMIT_V1": f"{UNREACHABLE_LIMIT} per day",
    "RATELIMIT_V2": f"{UNREACHABLE_LIMIT} per day",
    "RATELIMIT_BATCH": f"{UNREACHABLE_LIMIT} per day",
}


@dataclass(frozen=True)
class RunningServer:
    """A running server, its admin's token, and its process."""

    url: str
    token: str
    pid: int

    def target(self, route: str, form: str = "multipart") -> Target:
        """Return the target to post images to."""
        return Target(f"{self.url}{route}", form, self.token)

    def cpu_s(self) -> float:
        """Return the CPU seconds used by the server and its children."""
        processes = [psutil.Process(self.pid)]
        processes += processes[0].children(recursive=True)
        return sum(sum(each.cpu_times()[:2]) for each in processes)

    def memory_mb(self) -> float:
        """Return the resident memory of server and children, with shared memory counted once."""
        processes = [psutil.Process(self.pid)]
        processes += processes[0].children(recursive=True)
        return sum(each.memory_full_info().pss for each in processes) / 2**20


@contextmanager
def cifra(
    folder: Path, command: Sequence[str], core: str = CORE, **more: str
) -> Iterator[RunningServer]:
    """Run Cifra by one of its two commands."""
    pinned = ("taskset", "-c", core, *command)
    with serve(folder, pinned, **SETTINGS, **more) as server:
        yield RunningServer(server.url, admin_token(server), server.process.pid)


@contextmanager
def fastapi_server(model: Path) -> Iterator[RunningServer]:
    """Run the bare FastAPI server, with the options that its documentation recommends for speed."""
    port = free_port()
    command = [
        *("taskset", "-c", CORE, str(FASTAPI_PYTHON), "-m", "uvicorn", "fastapi_baseline:app"),
        *("--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log"),
        *("--log-level", "warning"),
    ]
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).parent,
        env={"PATH": os.environ["PATH"], "BENCHMARK_MODEL": str(model)},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process)
        yield RunningServer(url, "", process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def all_servers(
    folder: Path, models: tuple[Path, Path]
) -> Iterator[tuple[RunningServer, RunningServer, RunningServer]]:
    """Run the HTTP tier and the embedded server with these models, and FastAPI with the second."""
    with ExitStack() as stack:
        made = []
        for name, command in (("http", HTTP_TIER), ("embedded", EMBEDDED)):
            prepare_database(folder / name, models)
            made.append(stack.enter_context(cifra(folder / name, command)))
        yield made[0], made[1], stack.enter_context(fastapi_server(models[1]))


def prepare_database(folder: Path, files: tuple[Path, Path]) -> None:
    """Create a database in which these models serve as v1 and v2."""
    folder.mkdir()
    with bootstrapped_app(make_config(folder)) as app, app.app_context():
        for version, file in zip(Version, files, strict=True):
            onnx = file.read_bytes()
            with write_transaction() as session:
                model = models.get_or_create(session, read_model_name(onnx), onnx)
                models.deploy_in(session, version, model, "benchmark", is_rollback=True)


def admin_token(server: Server) -> str:
    """Log the admin in and return the token."""
    body = {"username": "admin", "password": ADMIN_PASSWORD}
    answer = requests.post(f"{server.url}/login", json=body, timeout=30)
    return str(answer.json()["access_token"])


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            requests.get(f"{url}/docs", timeout=5)
        except requests.RequestException:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("The FastAPI server did not start: `make bench` installs what it needs")


def ensure_fastapi() -> None:
    """Exit with a message if the FastAPI server is not installed."""
    if not FASTAPI_PYTHON.exists() or shutil.which("taskset") is None:
        raise SystemExit("This benchmark is run by `make bench`, on Linux")
