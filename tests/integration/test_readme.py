"""The console sessions in the documents print what the documents show."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.server_process import QUICK, ROOT, serve

MARK = "--- end of one command ---"


def read_session(document: str) -> list[tuple[str, str]]:
    """Return the commands of a document's console blocks, each with its output."""
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", (ROOT / document).read_text(), re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], ""))
            elif line.startswith("> "):
                steps[-1] = (f"{steps[-1][0]}\n{line[2:]}", "")
            else:
                steps[-1] = (steps[-1][0], f"{steps[-1][1]}{line}\n")
    return steps


@pytest.mark.parametrize(("document", "commands"), [("README.md", 8), ("docs/TUTORIAL.md", 14)])
def test_session_prints_the_documented_output(tmp_path: Path, document: str, commands: int) -> None:
    steps = read_session(document)
    assert len(steps) == commands
    with serve(tmp_path, **QUICK) as server:
        script = "".join(f"{command}\necho '{MARK}'\n" for command, _ in steps)
        script = script.replace("http://127.0.0.1:5000", server.url)
        script = script.replace("instance/", f"{server.data_dir}/")
        done = subprocess.run(
            ["bash", "-euo", "pipefail"],
            input=script,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split(f"{MARK}\n")[:-1]
    expected = [f"{output.rstrip()}" for _, output in steps]
    assert [output.rstrip() for output in printed] == expected


def test_the_readme_names_the_commands_and_the_architecture_shows_the_flow() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "\n    make run" in readme
    assert all(f"`make {target}`" in readme for target in ("run", "test", "test-fast", "demo"))
    assert "(flow.svg)" in (ROOT / "docs" / "ARCHITECTURE.md").read_text()
