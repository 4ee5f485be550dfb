"""Run operators' commands on a data directory."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from config import Config
from tests.conftest import opened_app
from tests.support.preloaded import PreloadedProcess


@dataclass(frozen=True)
class Result:
    """The exit status and the output of a command."""

    returncode: int
    stdout: str
    stderr: str


def run_flask(data_dir: Path, *args: str | Path, **settings: str) -> Result:
    """Run a command in this process, with a new application: starting a process takes seconds."""
    with opened_app(Config.from_env(_environment(data_dir) | settings)) as app:
        result = app.test_cli_runner().invoke(args=[*map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Result(result.exit_code, result.stdout, result.stderr)


def run_flask_process(data_dir: Path, *args: str | Path, **settings: str) -> Result:
    """Run `flask --app wsgi ...` in a new process."""
    with TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = start_flask(_environment(data_dir) | settings, output, *args, errors=errors)
        status = process.wait(120)
        return Result(status, output.read_text(), errors.read_text())


def start_flask(
    environment: Mapping[str, str], output: Path, *args: str | Path, errors: Path | None = None
) -> PreloadedProcess:
    """Start `flask --app wsgi ...` in a new process; it appends what it prints to a file."""
    command = ["-m", "flask", "--app", "wsgi", *map(str, args)]
    return PreloadedProcess(command, environment, output, errors)


def _environment(data_dir: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), "BCRYPT_ROUNDS": "4"}
