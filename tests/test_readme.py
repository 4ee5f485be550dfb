"""The README's session, typed line by line into a shell, prints what the README says it prints."""

import os
import re
import subprocess
from pathlib import Path

from tests.served import QUICK, ROOT, serve

MARK = "--- end of one command ---"


def session() -> list[tuple[str, str]]:
    """The commands of the README's console block, each with what it prints."""
    block = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block
    steps: list[tuple[str, str]] = []
    for line in block.group(1).splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], ""))
        elif line.startswith("> "):
            steps[-1] = (f"{steps[-1][0]}\n{line[2:]}", "")
        else:
            steps[-1] = (steps[-1][0], f"{steps[-1][1]}{line}\n")
    return steps


def test_the_readmes_session_prints_what_it_says(tmp_path: Path) -> None:
    steps = session()
    assert len(steps) == 9
    with serve(tmp_path, **QUICK) as server:
        typed = "".join(f"{command}\necho '{MARK}'\n" for command, _ in steps)
        typed = typed.replace("http://127.0.0.1:5000", server.url)
        typed = typed.replace("instance/", f"{server.data_dir}/")
        done = subprocess.run(
            ["bash", "-euo", "pipefail"],
            input=typed,
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


def test_the_readme_names_the_two_commands_and_shows_the_flow() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "\n    make run" in readme
    assert "\n    make test" in readme
    assert (ROOT / "docs" / "flow.svg").exists()


def test_every_link_in_the_documents_leads_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document}: {target}"


def test_every_test_that_a_document_names_is_there() -> None:
    named = 0
    for document in ROOT.glob("docs/**/*.md"):
        for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?", document.read_text()):
            assert (ROOT / file).exists(), f"{document}: {file}"
            assert f"def {name}" in (ROOT / file).read_text(), f"{document}: {file}::{name}"
            named += 1
    assert named > 100
