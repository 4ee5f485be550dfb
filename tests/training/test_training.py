"""Training: the three sets, a fit of a few steps on real digits, and the export of what it made."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from app.imaging.digits import as_input
from app.services.artefacts import open_session
from app.training import cards, export, fitting, nets
from app.training.__main__ import NAMES, PURPOSES, RECIPES
from app.training.sets import LabelledDigits, load_base_sets
from config import ROOT
from tests.conftest import run_python

# Another validation set would have been trained on by the models that are there.
VALIDATION_SHA256 = "528cc39a64acf10b5ac3a5496195a6602b81371eadf14035435c0d1a3fe30afc"


@pytest.fixture(scope="module")
def few() -> LabelledDigits:
    """2,000 digits of the training set."""
    training = load_base_sets().training
    return LabelledDigits(training.digits[:2000], training.labels[:2000])


def test_the_sets_have_their_sizes_and_share_no_image() -> None:
    sets = load_base_sets()
    assert [len(part.labels) for part in vars(sets).values()] == [54_000, 6_000, 10_000]
    training = {digit.tobytes() for digit in sets.training.digits}
    assert training.isdisjoint(digit.tobytes() for digit in sets.validation.digits)
    assert training.isdisjoint(digit.tobytes() for digit in sets.golden.digits)


def test_the_validation_set_is_the_same_each_time() -> None:
    validation = load_base_sets().validation
    found = hashlib.sha256(validation.digits.tobytes() + validation.labels.tobytes())
    assert found.hexdigest() == VALIDATION_SHA256


def test_a_fit_learns_and_the_same_seed_learns_the_same(few: LabelledDigits) -> None:
    recipe = replace(RECIPES["v1"], epochs=4, averaging=0.9)

    def fitted() -> nets.Net:
        torch.manual_seed(recipe.seed)
        return fitting.fit(nets.baseline(), few, recipe)

    one, other = fitted(), fitted()
    answers = fitting.predict(one, few.digits).argmax(axis=1)
    assert np.mean(answers == few.labels) > 0.8
    assert export.to_onnx(one, "x") == export.to_onnx(other, "x")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_exported_file_answers_as_the_net_does(version: str, few: LabelledDigits) -> None:
    torch.manual_seed(3)
    net = nets.ARCHITECTURES[version]()
    for module in net.modules():  # batch norms that do something
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.rand(module.num_features)
            module.running_var = torch.rand(module.num_features) + 0.5
    artefact = export.to_onnx(net, "a name")
    session = open_session(artefact)
    found = session.run(None, {"digits": as_input(few.digits[:100])})[0]
    assert np.abs(found - fitting.predict(net, few.digits[:100])).max() < 1e-5
    assert session.get_modelmeta().custom_metadata_map == {"name": "a name"}
    assert {node.op_type for node in onnx.load_from_string(artefact).graph.node} <= {
        *("Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Softmax")
    }


def test_a_layer_without_an_operator_is_refused() -> None:
    with pytest.raises(TypeError, match="Tanh"):
        export.to_onnx(nn.Sequential(nn.Tanh()), "x")


def test_v1_has_at_most_10_000_parameters_and_v2_at_most_6_million_multiply_adds() -> None:
    assert nets.count_parameters(nets.baseline()) <= 10_000
    assert export.multiply_adds(nets.improved()) <= 6_000_000


def test_a_card_holds_its_figures() -> None:
    subject = cards.Subject("v1", NAMES["v1"], PURPOSES["v1"], b"artefact")
    figures = cards.Figures(0.99, 0.98, (0.5,) * 10, 1_234, 567)
    written = cards.render(subject, RECIPES["v1"], figures)
    for text in ("99.00%", "98.00%", "50.00%", "1,234", "567", "| epochs | 40 |"):
        assert text in written


def test_recall_is_counted_digit_by_digit() -> None:
    labels = np.repeat(np.arange(10), 4)
    answers = labels.copy()
    answers[:2] = 9
    assert cards.recall_by_digit(answers, labels) == (0.5, *(1.0,) * 9)


def test_onnx_runtime_is_imported_in_one_place_alone() -> None:
    importers = [
        path.name
        for path in (ROOT / "app").rglob("*.py")
        if re.search(r"^(import|from) onnxruntime", path.read_text(), re.M)
    ]
    assert importers == ["artefacts.py"]


def test_onnx_runtime_leaves_no_telemetry_behind(tmp_path: Path) -> None:
    run_python(
        f"import os, pathlib; os.environ['HOME'] = '{tmp_path}'\n"
        "from app.services.artefacts import name_of\n"
        "name_of(pathlib.Path('models/v1.onnx').read_bytes())"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_server_imports_no_torch() -> None:
    code = "import sys, app; print([name for name in ('torch', 'onnx') if name in sys.modules])"
    assert run_python(code) == "[]\n"
