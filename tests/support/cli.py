"""Run operators' commands on a data directory."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from config import Config
from tests.conftest import opened_app
from tests.support.server_process import ROOT


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
    result = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *map(str, args)],
        cwd=ROOT,
        env=_environment(data_dir) | settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Result(result.returncode, result.stdout, result.stderr)


def _environment(data_dir: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), "BCRYPT_ROUNDS": "4"}
