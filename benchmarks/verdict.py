"""`python -m benchmarks.verdict`: an experiment from start to verdict, over HTTP, on real images.

Golden digits, degraded so that v1 makes more errors, are sent to a served Cifra; the images in the
review queue are labeled correctly until a winner is named. Fails if none is named, or not the more
accurate version.
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
from app.onnx_runtime import open_session
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
"""By prediction id: the image that was sent, and its label."""


def main() -> None:
    """Print the cost of the verdict; exit with 1 if it is missing or wrong."""
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
    """Yield augmented golden digits as PNG files, with their labels."""
    golden, rng = load_base_sets().golden, np.random.default_rng(SEED)
    while True:
        for index in rng.permutation(len(golden.labels)):
            yield encode_png(augment(golden.digits[index], rng)), int(golden.labels[index])


def send(client: Client, image: bytes, digit: int) -> tuple[str, tuple[bytes, int]]:
    """Predict an image through the A/B route."""
    answer = client.predict("ab", image)
    assert answer.status_code == 200, answer.text
    return answer.json()["prediction_id"], (image, digit)


def label_until_decided(reviewer: Client, sent: SentImages) -> None:
    """Label the items of the review queue correctly until a winner is named."""
    while not is_decided(reviewer):
        item = reviewer.call("GET", "/admin/review").json()["item"]
        if item is None:
            return
        prediction_id = item["prediction_id"]
        is_sent = prediction_id in sent  # else it is an attention check
        label = {"digit": sent[prediction_id][1]} if is_sent else {"skip": True}
        answer = reviewer.call("POST", f"/admin/review/{prediction_id}", json=label)
        assert answer.status_code == 201, answer.text


def running_experiment(client: Client) -> dict[str, Any]:
    """Return the experiment from the report."""
    found: dict[str, Any] = client.call("GET", "/admin/report").json()["experiment"]
    return found


def is_decided(client: Client) -> bool:
    """Return whether a winner was named."""
    return running_experiment(client)["winner"] is not None


def true_accuracies() -> dict[str, float]:
    """Return each version's accuracy on such images, with all labels known."""
    files, labels = zip(*islice(harder_digits(), ACCURACY_IMAGES), strict=True)
    evaluation_set = make_set("harder digits", files, np.array(labels))
    return {
        version: float(
            evaluation_set.correct(
                open_session((ROOT / "models" / f"{version}.onnx").read_bytes())
            ).mean()
        )
        for version in ("v1", "v2")
    }


def print_figures(experiment: dict[str, Any], accuracies: dict[str, float]) -> None:
    """Print the verdict and its cost."""
    labels, difference = experiment["labels"], experiment["accuracy_difference"]
    unpaired = unpaired_labels_needed(*accuracies.values(), alpha=ALPHA, power=POWER)
    rows = {
        "verdict": f"{experiment['verdict']}, e-value {experiment['e_value']:.1f}",
        "accuracy, v1 and v2": " and ".join(f"{share:.2%}" for share in accuracies.values()),
        "interval of the accuracy difference": (
            f"{difference['low']:+.2%} to {difference['high']:+.2%}"
        ),
        "requests": f"{experiment['requests']:,}",
        "disagreements": f"{experiment['disagreements']:,}",
        "discordant labels": f"{labels['discordant']:,}",
        "disagreements labeled": f"{labels['disagreements']:,}",
        "all labels, audit included": f"{labels['total']:,}",
        f"labels needed by an unpaired test at {POWER:.0%} power": f"{unpaired:,.0f}",
    }
    print("| | |\n| --- | --- |")
    print("\n".join(f"| {what} | {figure} |" for what, figure in rows.items()))


if __name__ == "__main__":
    main()
