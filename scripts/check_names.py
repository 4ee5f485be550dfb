"""Keep retired names out: `python scripts/check_names.py` ends with 1 where one has come back.

scripts/retired_names.toml lists them, each with the name that took its place. Identifiers are
compared with the names in Python code, keys (columns, JSON keys, metrics, headers and paths) with
whole string literals there and with the fields that the pages' scripts read, modules with files.
Old migrations keep the names of their time.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
RETIRED_NAMES = ROOT / "scripts" / "retired_names.toml"
KEEP_OLD_NAMES = ("migrations/versions/", "scripts/", "app/web/static/vendor/")
MENTION_OLD_NAMES = ("tests/integration/test_upgrade_names.py",)


def main() -> None:
    """Print each place of a retired name, and exit with 1 where there is one."""
    retired = tomllib.loads(RETIRED_NAMES.read_text())
    found = [
        f"{path}:{line}: {old} is retired, use {new}"
        for path in _tracked_files()
        for line, old, new in _retired_names_in(path, retired)
    ]
    print("\n".join(found) or "no retired name is in use")
    sys.exit(bool(found))


def _tracked_files() -> Iterator[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for path in listed.stdout.splitlines():
        if not path.startswith(KEEP_OLD_NAMES) and (ROOT / path).is_file():
            yield path


def _retired_names_in(
    path: str, retired: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[int, str, str]]:
    stem = Path(path).stem
    if path.startswith("app/") and stem in retired["modules"]:
        yield 1, stem, retired["modules"][stem]
    if path in MENTION_OLD_NAMES:
        return
    if path.endswith(".py"):
        source = (ROOT / path).read_text()
        yield from _in_python(source, retired)
    elif path.endswith((".js", ".html")):
        yield from _in_page((ROOT / path).read_text(), retired["keys"])


def _in_python(
    source: str, retired: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[int, str, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and token.string in retired["identifiers"]:
            yield token.start[0], token.string, retired["identifiers"][token.string]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and node.value in retired["keys"]:
            yield node.lineno, str(node.value), retired["keys"][str(node.value)]


def _in_page(source: str, keys: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Find keys that a script reads as a field, or that a template names one for."""
    for number, line in enumerate(source.splitlines(), 1):
        for old in re.findall(r'(?:\.|data-field=")(\w+)', line) + re.findall(r'"([^"]+)"', line):
            if old in keys:
                yield number, old, keys[old]


if __name__ == "__main__":
    main()
