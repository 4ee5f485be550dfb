"""The shipped models: what their cards say of them is so."""

import hashlib
import re

import numpy as np
import pytest

from app.imaging.digits import as_input
from app.services.artefacts import name_of, open_session
from app.training.sets import as_served
from app.training.shipping import NAMES
from config import ROOT
from tests.conftest import Golden

VERSIONS = pytest.mark.parametrize(
    ("version", "bar", "most_parameters"), [("v1", 0.990, 10_000), ("v2", 0.994, 10_000_000)]
)


def card(version: str) -> str:
    return (ROOT / "models" / f"{version}.md").read_text()


def figure(version: str, row: str) -> str:
    found = re.search(rf"^\| {re.escape(row)} \| `?([^`|]+?)`? \|$", card(version), re.M)
    assert found, row
    return found.group(1)


@VERSIONS
def test_the_card_names_the_file_that_ships(version: str, bar: float, most_parameters: int) -> None:
    artefact = (ROOT / "models" / f"{version}.onnx").read_bytes()
    assert figure(version, "SHA-256") == hashlib.sha256(artefact).hexdigest()
    assert name_of(artefact) == NAMES[version]
    assert int(figure(version, "parameters").replace(",", "")) <= most_parameters


def test_the_readme_says_what_the_cards_say() -> None:
    readme = (ROOT / "README.md").read_text()
    for row in ("parameters", "multiply-adds a digit", "golden (10,000)"):
        assert f"| {figure('v1', row)} | {figure('v2', row)} |" in readme


@VERSIONS
def test_golden_accuracy_is_what_the_card_says_and_above_the_bar(
    golden: Golden, version: str, bar: float, most_parameters: int
) -> None:
    session = open_session((ROOT / "models" / f"{version}.onnx").read_bytes())
    digits = as_served(golden.digits, "golden")
    parts = np.array_split(as_input(digits), 10)
    answers = np.concatenate([session.run(None, {"digits": part})[0] for part in parts])
    accuracy = float(np.mean(answers.argmax(axis=1) == golden.labels))
    assert f"{accuracy:.2%}" == figure(version, "golden (10,000)")
    assert accuracy >= bar
