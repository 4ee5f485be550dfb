"""`python -m benchmarks.report`: what the report costs at a thousand and at a million predictions.

On SQLite in a temporary folder, with a word on every tenth prediction and 500 labels; ends with an
error where the larger one takes over 50 ms or over 1.5 times the smaller one.
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

from app import bootstrap, create_app
from app.api.http.container import container
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
    """Print the medians; end with 1 where one is over its bar."""
    print("| predictions | words | median ms | slowest tenth ms |\n| --- | --- | --- | --- |")
    medians = []
    for size in SIZES:
        with TemporaryDirectory() as folder:
            costs_ms = measure(Path(folder), size)
        medians.append(float(np.median(costs_ms)))
        slow = float(np.quantile(costs_ms, 0.9))
        print(f"| {size:,} | {size // 10:,} | {medians[-1]:.1f} | {slow:.1f} |", flush=True)
    growth = medians[-1] / medians[0]
    print(f"\n{growth:.2f} times as much (bar {MAX_GROWTH}), {medians[-1]:.1f} ms (bar {MAX_MS})")
    sys.exit(1 if growth > MAX_GROWTH or medians[-1] > MAX_MS else 0)


def measure(folder: Path, size: int) -> list[float]:
    """Fill a database, then ask for the report over and over; milliseconds of each call."""
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
    """The admin's access token."""
    credentials = {"username": "admin", "password": PASSWORD}
    return str(app.test_client().post("/login", json=credentials).get_json()["access_token"])


def fill(size: int) -> None:
    """Write predictions, queue, labels and words, as rows alone."""
    rng = np.random.default_rng(1)
    made = list(prediction_rows(size, rng))
    waiting = list(review_item_rows(made))
    for table, rows in (
        (Prediction, made),
        (ReviewItem, waiting),
        (Review, list(review_rows(waiting[:LABELS]))),
        (Feedback, list(feedback_rows(made[::10], rng))),
    ):
        for at in tqdm(range(0, len(rows), CHUNK_ROWS), table.__tablename__, leave=False):
            with write_transaction() as session:
                session.execute(insert(table), rows[at : at + CHUNK_ROWS])


def prediction_rows(size: int, rng: np.random.Generator) -> Iterator[Row]:
    """Rows of A/B predictions on which the versions disagree as often as they may."""
    split, now = current_split(), datetime.now(UTC)
    digits, disagree = rng.integers(0, 10, size), rng.random(size) < 0.014
    shares = [np.eye(10, dtype="<f4")[digit].tobytes() for digit in range(10)]
    image = rng.integers(0, 256, 784, dtype=np.uint8).tobytes()
    latencies_us = rng.lognormal(6.5, 0.4, size).astype(int)
    for digit, other, latency_us in zip(digits, disagree, latencies_us, strict=True):
        made = uuid7()
        yield {
            "id": made,
            "user_id": 1,
            "created_at": now,
            "version": split.assign(1, made).version,
            "model_id": 1,
            "predicted_digit": int(digit),
            "probabilities": shares[digit],
            "digit_image": image,
            "latency_us": int(latency_us),
            "stage_id": split.stage_id,
            "assignment_probability": 0.5,
            "shadow_model_id": 2,
            "shadow_digit": int((digit + other) % 10),
            "shadow_probabilities": shares[(digit + other) % 10],
        }


def review_item_rows(made: list[Row]) -> Iterator[Row]:
    """Every disagreement, and a twentieth of the rest."""
    split = current_split()
    for number, one in enumerate(made):
        disagrees = one["predicted_digit"] != one["shadow_digit"]
        if disagrees or number % 20 == 0:
            yield {
                "prediction_id": one["id"],
                "experiment_id": split.experiment_id,
                "image_hash": uuid4().hex,
                "is_audit": not disagrees,
                "is_open": True,
                "order_key": split.review_order_key(one["id"]),
            }


def review_rows(waiting: list[Row]) -> Iterator[Row]:
    """A word of a reviewer on each."""
    for item in waiting:
        named = ("prediction_id", "experiment_id", "is_audit")
        said = {"reviewer_id": 1, "label": 3, "created_at": datetime.now(UTC)}
        yield {name: item[name] for name in named} | said


def feedback_rows(spoken_on: list[Row], rng: np.random.Generator) -> Iterator[Row]:
    """A word of a user on each."""
    experiment_id = current_split().experiment_id
    for one in spoken_on:
        yield {
            "prediction": one["predicted_digit"],
            "correct": bool(rng.random() < 0.9),
            "user_id": 1,
            "prediction_id": one["id"],
            "version": one["version"],
            "experiment_id": experiment_id,
            "is_eligible": False,
            "created_at": one["created_at"],
        }


if __name__ == "__main__":
    main()
