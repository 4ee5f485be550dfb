"""The example session with the Python client prints what its docstring says."""

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support.server_process import QUICK, ROOT, Server, serve

SESSION = ROOT / "examples" / "session.py"


def run(server: Server) -> str:
    done = subprocess.run(
        [sys.executable, str(SESSION), server.url],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
            "DATA_DIR": str(server.data_dir),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_session_prints_its_documented_output_and_can_be_run_again(tmp_path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(SESSION.read_text())) or ""
    expected = textwrap.dedent(docstring.split("it prints\n\n")[1])
    with serve(tmp_path, **QUICK) as server:
        first, second = run(server), run(server)
    assert first.strip() == expected.strip()
    assert second.startswith("ana has an account already\n")
    assert "feedback given: 2, of it correct: 2" in second
