"""Commands as an operator types them, on what a server keeps."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from app import create_app
from app.store.engine.db import dispose_engines
from config import Config
from tests.support.server_process import ROOT


@dataclass(frozen=True)
class Result:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


def run_flask(data_dir: Path, *args: str | Path, **settings: str) -> Result:
    """Run a command of an application of its own, in this process: starting one takes seconds."""
    app = create_app(Config.from_env(_environment(data_dir) | settings))
    done = app.test_cli_runner().invoke(args=[*map(str, args)])
    with app.app_context():
        dispose_engines()
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Result(done.exit_code, done.stdout, done.stderr)


def run_flask_process(data_dir: Path, *args: str | Path, **settings: str) -> Result:
    """Run `flask --app wsgi ...` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *map(str, args)],
        cwd=ROOT,
        env=_environment(data_dir) | settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def _environment(data_dir: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), "BCRYPT_ROUNDS": "4"}
