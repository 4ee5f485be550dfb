"""The Dockerfile, line by line without an engine: files, user, command and health check.

What it copies is laid out in a folder as it would lie in the image; its own CMD and HEALTHCHECK are
run there, with its own ENV and no other variable.
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
    """The Dockerfile's instructions with their arguments, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def of(kind: str) -> list[str]:
    return [argument for name, argument in instructions() if name == kind]


def ignored(path: Path) -> bool:
    """Whether .dockerignore keeps a path out: the last rule that matches decides."""
    names = {str(part) for part in (path, *path.parents)} | {f"**/{part}" for part in path.parts}
    out = False
    for rule in (ROOT / ".dockerignore").read_text().split():
        if rule.removeprefix("!") in names | {"*"}:
            out = not rule.startswith("!")
    return out


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The image's working directory, filled by the COPY lines."""
    folder = tmp_path / "srv"
    for copy in of("COPY"):
        *sources, target = copy.split()
        for source in sources:
            for file in sorted((ROOT / source).rglob("*")) or [ROOT / source]:
                relative = file.relative_to(ROOT)
                if file.is_file() and not ignored(relative):
                    into = folder / (
                        relative if target == "./" else Path(target, *relative.parts[1:])
                    )
                    into.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, into)
    return folder


def test_it_starts_from_a_slim_python_that_cifra_runs_on() -> None:
    assert of("FROM") == ["python:3.11-slim"]


def test_it_installs_what_make_run_installs() -> None:
    install = next(run for run in of("RUN") if "pip install" in run)
    assert shlex.split(install)[-2:] == ["-r", "requirements-train.txt"]
    assert "-r requirements-train.txt" in (ROOT / "Makefile").read_text()


def test_it_runs_as_a_user_who_is_not_root_and_owns_the_data() -> None:
    assert of("USER") == ["cifra"]
    setup = of("RUN")[0]
    assert "useradd" in setup
    assert "--owner=cifra" in setup
    order = [name for name, _ in instructions()]
    assert order.index("USER") > max(i for i, name in enumerate(order) if name in {"RUN", "COPY"})


def test_the_image_holds_what_serves_and_trains_and_nothing_else(image: Path) -> None:
    assert {path.name for path in image.iterdir()} == {
        *("requirements.txt", "requirements-train.txt", "constraints.txt"),
        *("config.py", "logging_config.py", "wsgi.py", "gunicorn.conf.py", "serve_granian.py"),
        *("app", "migrations", "models"),
    }
    assert {path.name for path in (image / "models").iterdir()} == {
        *("v1.onnx", "v1.md", "v1.svg", "v2.onnx", "v2.md", "v2.svg", "data")
    }


def test_its_command_serves_and_its_health_check_tells(image: Path, tmp_path: Path) -> None:
    environment = dict(pair.split("=") for env in of("ENV") for pair in shlex.split(env))
    assert environment["HOST"] == "0.0.0.0"
    port = str(free_port())
    own = {"HOST": "127.0.0.1", "PORT": port, "DATA_DIR": str(tmp_path / "data")}
    environment |= own | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    check = json.loads(of("HEALTHCHECK")[0].split("CMD", 1)[1])
    serving = subprocess.Popen(
        json.loads(of("CMD")[0]), cwd=image, env=environment, stderr=subprocess.DEVNULL
    )

    def healthy() -> bool:
        done = subprocess.run(check, cwd=image, env=environment, capture_output=True, check=False)
        return done.returncode == 0

    try:
        assert not healthy()
        deadline = time.monotonic() + 60
        while not healthy():
            assert time.monotonic() < deadline
            assert serving.poll() is None
    finally:
        serving.terminate()
        serving.wait(timeout=30)
    assert not healthy()
