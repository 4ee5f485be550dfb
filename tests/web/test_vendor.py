"""Vendored files are unchanged and listed with their license."""

import hashlib
import re
from pathlib import Path

import pytest

from tests.support.server_process import ROOT

FOLDERS = [ROOT / "app" / "web" / "static" / "vendor", ROOT / "tests" / "browser" / "vendor"]
_ROW = re.compile(
    r"^\| `([^`]+)` \| (\S+ \d[\d.]+) \| ([^|]+) \| `([0-9a-f]{64})` \|$", re.MULTILINE
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_vendored_files_match_their_readme(folder: Path) -> None:
    named = {
        name: checksum for name, _, _, checksum in _ROW.findall((folder / "README.md").read_text())
    }
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "README.md"}
    assert named == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
