"""The ink network: its training set, its training, and its ONNX file."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from app.imaging.page import Region
from app.training import ink_views
from app.training.ink_export import to_onnx
from app.training.ink_network import InkNetwork, InkRecipe, fit, to_tensor
from app.training.ink_views import InkViews, make_views


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    with ThreadPoolExecutor(1) as executor:
        make_views(folder, 2, 1, executor, scenes=24)
    return folder


@pytest.fixture(scope="module")
def views(folder: Path) -> InkViews:
    return InkViews.load(folder)


def test_views_and_their_ink_belong_together(views: InkViews) -> None:
    count = len(views.contents)
    assert 48 < count <= 96  # most often two of each scene
    assert views.views.shape == (count, 96, 96, 3)
    assert views.ink.shape == (count, 96, 96)
    assert np.array_equal(views.ink.max(axis=(1, 2)) > 0, views.contents > 0)


def test_a_crop_by_hand_follows_the_digit_and_stays_in_the_image() -> None:
    rng, box, shape = np.random.default_rng(1), Region(3, 20, 40, 80), (200, 100)
    crops = [ink_views._crop_by_hand(box, shape, (-0.02, 0.1), rng) for _ in range(200)]
    ends = np.array([[x, y, x + width, y + height] for x, y, width, height in crops])
    assert (ends[:, :2] >= 0).all()
    assert (ends[:, 2:] <= (100, 200)).all()
    outward = (np.array([3, 20, 43, 100]) - ends) * [1, 1, -1, -1]
    assert outward.min() >= -2  # cut into it by two percent of 80 pixels
    assert outward.max() == 8
    assert np.ptp(outward[:, 1:], axis=1).max() > 5  # each side has a margin of its own


def test_only_missing_chunks_are_generated(folder: Path, views: InkViews) -> None:
    first, second = sorted(folder.glob("*.npz"))
    kept = first.read_bytes()
    second.unlink()
    with ThreadPoolExecutor(1) as executor:
        make_views(folder, 2, 1, executor, scenes=24)
    assert first.read_bytes() == kept
    assert np.array_equal(InkViews.load(folder).views, views.views)


def test_training_learns_to_mark_ink(views: InkViews) -> None:
    torch.manual_seed(1)
    large = np.argsort(views.ink.mean(axis=(1, 2)))[-16:]
    few = InkViews(views.views[large], views.ink[large], views.contents[large])
    recipe = InkRecipe(40, 1e-2, batch_size=16, ema_decay=0.8, inverted_share=0)
    trained = fit(InkNetwork((8, 8, 16, 16)), few, recipe, 1)
    with torch.inference_mode():
        found = torch.sigmoid(trained(to_tensor(few.views))[0]).numpy()
    is_ink = few.ink > 127
    assert found[is_ink].mean() > 3 * found[~is_ink].mean()


@pytest.mark.parametrize("side", [96, 192])
def test_the_onnx_file_computes_what_the_network_does(side: int) -> None:
    torch.manual_seed(2)
    network = InkNetwork((8, 12, 16, 24)).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    images = np.random.default_rng(1).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(to_onnx(network, {"name": "ink"}))
    ink, contents = session.run(None, {"views": images})
    with torch.inference_mode():
        marked, content = network(to_tensor(images))
    assert np.allclose(ink, torch.sigmoid(marked).numpy(), atol=1e-5)
    assert np.allclose(contents, torch.softmax(content, dim=1).numpy(), atol=1e-5)
