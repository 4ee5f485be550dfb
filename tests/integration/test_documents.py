"""The links, sections, tests, files and commands that the documents name exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server_process import ROOT

FOLDERS = ("docs", "models", "clients", "benchmarks")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(at for name in FOLDERS for at in ROOT.glob(f"{name}/**/*.md"))]
)
EACH = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda at: str(at.relative_to(ROOT)))
# A path of the repository in backticks: a file, or a folder with a trailing slash.
PATH = re.compile(
    r"`((?:app|benchmarks|clients|deploy|docs|examples|migrations|models|tests)/[\w./-]*)(?:::\w+)?`"
)


def links(document: Path) -> Iterator[tuple[str, str]]:
    """Yield the links within the repository as file, "" for the document itself, and section."""
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if not re.match(r"[a-z]+:", target):
            file, _, section = target.partition("#")
            yield file, section


def sections(document: Path) -> set[str]:
    """Return the anchors that a code host generates for a document's headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EACH
def test_every_link_has_a_target(document: Path) -> None:
    for file, section in links(document):
        target = document.parent / file if file else document
        assert target.exists(), file
        assert not section or section in sections(target), f"{file}#{section}"


@EACH
def test_every_named_file_and_folder_exists(document: Path) -> None:
    for path in PATH.findall(document.read_text()):
        assert (ROOT / path).exists(), path


@EACH
def test_every_named_make_target_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    text = document.read_text()
    named = re.findall(r"(?:`|^    (?:\w+=\S+ )?)make ([a-z-]+)", text, re.M)
    assert set(named) <= targets


def test_every_named_test_exists() -> None:
    named = 0
    for document in ROOT.glob("docs/**/*.md"):
        for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?", document.read_text()):
            assert (ROOT / file).exists(), f"{document}: {file}"
            assert f"def {name}" in (ROOT / file).read_text(), f"{document}: {file}::{name}"
            named += 1
    assert named > 100


@pytest.mark.parametrize("index", ["docs/README.md", "docs/decisions/README.md"])
def test_an_index_links_every_document_in_its_folder(index: str) -> None:
    document = ROOT / index
    linked = {file for file, _ in links(document)}
    assert {at.name for at in document.parent.glob("*.md")} - {"README.md"} <= linked
