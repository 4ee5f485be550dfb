"""`python -m benchmarks.report`: the cost of the report at a thousand and a million predictions.

On SQLite in a temporary folder, with feedback on every tenth prediction and 500 labels; fails if
the larger one takes over 50 ms or over 1.5 times the smaller one.
"""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import numpy as np
from flask import Flask
from sqlalchemy import insert
from tqdm import tqdm
from uuid_utils.compat import uuid7

from app import bootstrap
from app.api.http.container import container
from app.factory import create_app
from app.services.experiments.lifecycle import current_split
from app.services.maintenance import counter_audit
from app.store.engine.db import write_transaction
from app.store.tables import Feedback, Prediction, Review, ReviewItem
from config import Config

SIZES = (1_000, 1_000_000)
CALLS, CHUNK_ROWS, LABELS = 60, 20_000, 500
MAX_MS, MAX_GROWTH = 50, 1.5
Row = dict[str, Any]
PASSWORD = "a password for the benchmark"


def main() -> None:
    """Print the medians; exit with 1 if one exceeds its limit."""
    print("| predictions | feedback | median ms | slowest tenth ms |\n| --- | --- | --- | --- |")
    medians = []
    for size in SIZES:
        with TemporaryDirectory() as folder:
            costs_ms = measure(Path(folder), size)
        medians.append(float(np.median(costs_ms)))
        slow = float(np.quantile(costs_ms, 0.9))
        print(f"| {size:,} | {size // 10:,} | {medians[-1]:.1f} | {slow:.1f} |", flush=True)
    growth = medians[-1] / medians[0]
    print(
        f"\n{growth:.2f} times as much (limit {MAX_GROWTH}), {medians[-1]:.1f} ms (limit {MAX_MS})"
    )
    sys.exit(1 if growth > MAX_GROWTH or medians[-1] > MAX_MS else 0)


def measure(folder: Path, size: int) -> list[float]:
    """Fill a database, then request the report repeatedly; return the milliseconds of each call."""
    environ = {"DATA_DIR": str(folder), "ADMIN_PASSWORD": PASSWORD, "RATELIMIT_ENABLED": "false"}
    config = Config.from_env(environ)
    app = create_app(config)
    with app.app_context():
        bootstrap.prepare(config, container().hasher)
        fill(size)
        counter_audit.repair()
    client, token = app.test_client(), login(app)
    costs_ms = []
    for _ in range(CALLS):
        started_at_s = time.perf_counter()
        answer = client.get("/admin/report", headers={"Authorization": f"Bearer {token}"})
        costs_ms.append((time.perf_counter() - started_at_s) * 1000)
        assert answer.status_code == 200
        assert answer.get_json()["total_feedback"] == size // 10
    return costs_ms[CALLS // 10 :]


def login(app: Flask) -> str:
    """Return the admin's access token."""
    credentials = {"username": "admin", "password": PASSWORD}
    return str(app.test_client().post("/login", json=credentials).get_json()["access_token"])


def fill(size: int) -> None:
    """Write predictions, review items, labels and feedback directly as rows."""
    rng = np.random.default_rng(1)
    predictions = list(prediction_rows(size, rng))
    queued = list(review_item_rows(predictions))
    for table, rows in (
        (Prediction, predictions),
        (ReviewItem, queued),
        (Review, list(review_rows(queued[:LABELS]))),
        (Feedback, list(feedback_rows(predictions[::10], rng))),
    ):
        for at in tqdm(range(0, len(rows), CHUNK_ROWS), table.__tablename__, leave=False):
            with write_transaction() as session:
                session.execute(insert(table), rows[at : at + CHUNK_ROWS])


def prediction_rows(size: int, rng: np.random.Generator) -> Iterator[Row]:
    """Yield rows of A/B predictions with the maximum expected disagreement rate."""
    split, now = current_split(), datetime.now(UTC)
    digits, disagree = rng.integers(0, 10, size), rng.random(size) < 0.014
    probabilities = [np.eye(10, dtype="<f4")[digit].tobytes() for digit in range(10)]
    image = rng.integers(0, 256, 784, dtype=np.uint8).tobytes()
    latencies_us = rng.lognormal(6.5, 0.4, size).astype(int)
    for digit, disagrees, latency_us in zip(digits, disagree, latencies_us, strict=True):
        prediction_id = uuid7()
        yield {
            "id": prediction_id,
            "user_id": 1,
            "created_at": now,
            "version": split.assign(1, prediction_id).version,
            "model_id": 1,
            "predicted_digit": int(digit),
            "probabilities": probabilities[digit],
            "digit_image": image,
            "latency_us": int(latency_us),
            "stage_id": split.stage_id,
            "assignment_probability": 0.5,
            "shadow_model_id": 2,
            "shadow_digit": int((digit + disagrees) % 10),
            "shadow_probabilities": probabilities[(digit + disagrees) % 10],
        }


def review_item_rows(predictions: list[Row]) -> Iterator[Row]:
    """Yield every disagreement, and a twentieth of the rest."""
    split = current_split()
    for number, prediction in enumerate(predictions):
        disagrees = prediction["predicted_digit"] != prediction["shadow_digit"]
        if disagrees or number % 20 == 0:
            yield {
                "prediction_id": prediction["id"],
                "experiment_id": split.experiment_id,
                "image_hash": uuid4().hex,
                "is_audit": not disagrees,
                "is_open": True,
                "order_key": split.review_order_key(prediction["id"]),
            }


def review_rows(queued: list[Row]) -> Iterator[Row]:
    """Yield a reviewer's label for each item."""
    for item in queued:
        copied = ("prediction_id", "experiment_id", "is_audit")
        label = {"reviewer_id": 1, "label": 3, "created_at": datetime.now(UTC)}
        yield {name: item[name] for name in copied} | label


def feedback_rows(predictions: list[Row], rng: np.random.Generator) -> Iterator[Row]:
    """Yield a user's feedback for each prediction."""
    experiment_id = current_split().experiment_id
    for prediction in predictions:
        yield {
            "prediction": prediction["predicted_digit"],
            "correct": bool(rng.random() < 0.9),
            "user_id": 1,
            "prediction_id": prediction["id"],
            "version": prediction["version"],
            "experiment_id": experiment_id,
            "is_eligible": False,
            "created_at": prediction["created_at"],
        }


if __name__ == "__main__":
    main()
