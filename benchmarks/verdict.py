"""`python -m benchmarks.verdict`: an experiment from start to verdict, over HTTP, on real images.

Golden digits, prediction_id harder so that v1 errs more, are sent to a served Cifra; what the review queue
asks for is labeled with what the images show, until the verdict names a version. Ends with an
error where it names none, or not the one that reads more of the images right.
"""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from tqdm import tqdm

from app.domain.intervals import unpaired_labels_needed
from app.domain.verdicts import ALPHA
from app.imaging.decoding import encode_png
from app.services.models.onnx_runtime import open_session
from app.training.augmentation import augment
from app.training.datasets import load_base_sets
from app.training.evaluation_sets import make_set
from config import ROOT
from tests.support.server_process import UNLIMITED, Client, serve

SEED = 20_260_901
ROUND_IMAGES, MAX_IMAGES = 250, 20_000
ACCURACY_IMAGES = 10_000
POWER = 0.8

SentImages = dict[str, tuple[bytes, int]]
"""By prediction: the image that was sent, and the digit on it."""


def main() -> None:
    """Print what it took; end with 1 where the verdict is missing or wrong."""
    with TemporaryDirectory() as folder, serve(Path(folder), **UNLIMITED) as server:
        admin, client, images = server.admin_client(), server.register("client"), harder_digits()
        sent: SentImages = {}
        with tqdm(total=MAX_IMAGES, unit="image") as progress:
            while len(sent) < MAX_IMAGES and not is_decided(admin):
                sent |= dict(send(client, *next(images)) for _ in range(ROUND_IMAGES))
                progress.update(ROUND_IMAGES)
                label_until_decided(admin, sent)
        experiment = running_experiment(admin)
    accuracies = true_accuracies()
    print_figures(experiment, accuracies)
    better = max(accuracies, key=lambda version: accuracies[version])
    sys.exit(0 if experiment["verdict"] == better else 1)


def harder_digits() -> Iterator[tuple[bytes, int]]:
    """Golden digits bent and dirtied, as PNG files, with what they show."""
    golden, rng = load_base_sets().golden, np.random.default_rng(SEED)
    while True:
        for index in rng.permutation(len(golden.labels)):
            yield encode_png(augment(golden.digits[index], rng)), int(golden.labels[index])


def send(client: Client, image: bytes, digit: int) -> tuple[str, tuple[bytes, int]]:
    """Have a image read through the A/B split."""
    answer = client.predict("ab", image)
    assert answer.status_code == 200, answer.text
    return answer.json()["prediction_id"], (image, digit)


def label_until_decided(reviewer: Client, sent: SentImages) -> None:
    """Label what the queue asks for, blind, with what is on the image."""
    while not is_decided(reviewer):
        item = reviewer.call("GET", "/admin/review").json()["item"]
        if item is None:
            return
        prediction_id = item["prediction_id"]
        label = {"digit": sent[prediction_id][1]} if prediction_id in sent else {"skip": True}  # a probe
        answer = reviewer.call("POST", f"/admin/review/{prediction_id}", json=label)
        assert answer.status_code == 201, answer.text


def running_experiment(client: Client) -> dict[str, Any]:
    """The experiment as the report shows it."""
    found: dict[str, Any] = client.call("GET", "/admin/report").json()["experiment"]
    return found


def is_decided(client: Client) -> bool:
    """Whether a winner was named."""
    return running_experiment(client)["winner"] is not None


def true_accuracies() -> dict[str, float]:
    """How many of such images each version reads right, all labels in hand."""
    files, labels = zip(*islice(harder_digits(), ACCURACY_IMAGES), strict=True)
    evaluation_set = make_set("truth", files, np.array(labels))
    return {
        version: float(
            evaluation_set.correct(open_session((ROOT / "models" / f"{version}.onnx").read_bytes())).mean()
        )
        for version in ("v1", "v2")
    }


def print_figures(experiment: dict[str, Any], accuracies: dict[str, float]) -> None:
    """Print the verdict and what it cost."""
    labels, difference = experiment["labels"], experiment["accuracy_difference"]
    unpaired = unpaired_labels_needed(*accuracies.values(), alpha=ALPHA, power=POWER)
    rows = {
        "verdict": f"{experiment['verdict']}, e-value {experiment['e_value']:.1f}",
        "truly right, v1 and v2": " and ".join(f"{share:.2%}" for share in accuracies.values()),
        "accuracy difference, interval": f"{difference['low']:+.2%} to {difference['high']:+.2%}",
        "requests": f"{experiment['requests']:,}",
        "disagreements": f"{experiment['disagreements']:,}",
        "informative labels": f"{labels['informative']:,}",
        "disagreements labeled": f"{labels['disagreements']:,}",
        "labels given, audit included": f"{labels['all']:,}",
        f"labels that an unpaired test needs at {POWER:.0%} power": f"{unpaired:,.0f}",
    }
    print("| | |\n| --- | --- |")
    print("\n".join(f"| {what} | {figure} |" for what, figure in rows.items()))


if __name__ == "__main__":
    main()
