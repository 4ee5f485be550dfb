"""The Dockerfile, line by line without a container engine: files, user, command, health check.

The files that it copies are put into a folder as they would be in the image; its CMD and
HEALTHCHECK run there, with its ENV and no other variables.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.server_process import ROOT, free_port


def instructions() -> list[tuple[str, str]]:
    """Return the instructions with their arguments, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def arguments_of(instruction: str) -> list[str]:
    return [argument for name, argument in instructions() if name == instruction]


def is_ignored(path: Path) -> bool:
    """Return whether .dockerignore excludes a path: the last matching rule decides."""
    names = {str(part) for part in (path, *path.parents)} | {f"**/{part}" for part in path.parts}
    excluded = False
    for rule in (ROOT / ".dockerignore").read_text().split():
        if rule.removeprefix("!") in names | {"*"}:
            excluded = not rule.startswith("!")
    return excluded


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Fill the image's working directory by the COPY lines."""
    folder = tmp_path / "srv"
    for copy in arguments_of("COPY"):
        *sources, target = copy.split()
        for source in sources:
            for file in sorted((ROOT / source).rglob("*")) or [ROOT / source]:
                relative = file.relative_to(ROOT)
                if file.is_file() and not is_ignored(relative):
                    destination = folder / (
                        relative if target == "./" else Path(target, *relative.parts[1:])
                    )
                    destination.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, destination)
    return folder


def test_it_is_based_on_a_slim_python_image() -> None:
    assert arguments_of("FROM") == ["python:3.11-slim"]


def test_it_installs_what_make_run_installs() -> None:
    install = next(run for run in arguments_of("RUN") if "pip install" in run)
    assert shlex.split(install)[-2:] == ["-r", "requirements-train.txt"]
    assert "-r requirements-train.txt" in (ROOT / "Makefile").read_text()


def test_it_runs_as_a_non_root_user_who_owns_the_data() -> None:
    assert arguments_of("USER") == ["cifra"]
    setup = arguments_of("RUN")[0]
    assert "useradd" in setup
    assert "--owner=cifra" in setup
    order = [name for name, _ in instructions()]
    assert order.index("USER") > max(i for i, name in enumerate(order) if name in {"RUN", "COPY"})


def test_the_image_contains_only_what_serving_and_training_need(image: Path) -> None:
    assert {path.name for path in image.iterdir()} == {
        "requirements.txt",
        "requirements-train.txt",
        "constraints.txt",
        "config.py",
        "logging_config.py",
        "wsgi.py",
        "gunicorn.conf.py",
        "serve_granian.py",
        "serving",
        "app",
        "migrations",
        "models",
    }
    assert {path.name for path in (image / "models").iterdir()} == {
        "ink.onnx",
        "ink.md",
        "v1.onnx",
        "v1.md",
        "v1.svg",
        "v2.onnx",
        "v2.md",
        "v2.svg",
        "data",
    }


def test_its_command_serves_and_its_health_check_passes(image: Path, tmp_path: Path) -> None:
    environment = dict(pair.split("=") for env in arguments_of("ENV") for pair in shlex.split(env))
    assert environment["HOST"] == "0.0.0.0"
    port = str(free_port())
    overrides = {"HOST": "127.0.0.1", "PORT": port, "DATA_DIR": str(tmp_path / "data")}
    environment |= overrides | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    check = json.loads(arguments_of("HEALTHCHECK")[0].split("CMD", 1)[1])
    server = subprocess.Popen(
        json.loads(arguments_of("CMD")[0]), cwd=image, env=environment, stderr=subprocess.DEVNULL
    )

    def is_healthy() -> bool:
        done = subprocess.run(check, cwd=image, env=environment, capture_output=True, check=False)
        return done.returncode == 0

    try:
        assert not is_healthy()
        deadline = time.monotonic() + 60
        while not is_healthy():
            assert time.monotonic() < deadline
            assert server.poll() is None
    finally:
        server.terminate()
        server.wait(timeout=30)
    assert not is_healthy()
