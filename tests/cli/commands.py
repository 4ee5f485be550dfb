"""Commands as an operator types them, on what a server keeps."""

import os
import subprocess
import sys
from pathlib import Path

from tests.served import ROOT


def flask(data_dir: Path, *args: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `flask --app wsgi ...` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *map(str, args)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), "BCRYPT_ROUNDS": "4"}
        | settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
