"""What the documents name is there: links, sections, tests, files and commands."""

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
# A backquoted path of the repository: a file, or a folder with a slash behind it.
PATH = re.compile(
    r"`((?:app|benchmarks|clients|deploy|docs|examples|migrations|models|tests)/[\w./-]*)(?:::\w+)?`"
)


def links(document: Path) -> Iterator[tuple[str, str]]:
    """Each link within the repository: the file, which is empty for this one, and the section."""
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if not re.match(r"[a-z]+:", target):
            file, _, section = target.partition("#")
            yield file, section


def sections(document: Path) -> set[str]:
    """The anchors that a code host makes of a document's headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EACH
def test_every_link_leads_somewhere(document: Path) -> None:
    for file, section in links(document):
        target = document.parent / file if file else document
        assert target.exists(), file
        assert not section or section in sections(target), f"{file}#{section}"


@EACH
def test_every_file_and_folder_that_is_named_is_there(document: Path) -> None:
    for path in PATH.findall(document.read_text()):
        assert (ROOT / path).exists(), path


@EACH
def test_every_make_target_that_is_named_is_there(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    text = document.read_text()
    named = re.findall(r"(?:`|^    (?:\w+=\S+ )?)make ([a-z-]+)", text, re.M)
    assert set(named) <= targets


def test_every_test_that_a_document_names_is_there() -> None:
    named = 0
    for document in ROOT.glob("docs/**/*.md"):
        for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?", document.read_text()):
            assert (ROOT / file).exists(), f"{document}: {file}"
            assert f"def {name}" in (ROOT / file).read_text(), f"{document}: {file}::{name}"
            named += 1
    assert named > 100


@pytest.mark.parametrize("index", ["docs/README.md", "docs/decisions/README.md"])
def test_an_index_links_every_document_beside_it(index: str) -> None:
    document = ROOT / index
    linked = {file for file, _ in links(document)}
    assert {at.name for at in document.parent.glob("*.md")} - {"README.md"} <= linked
