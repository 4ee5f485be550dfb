"""The effect of a retention sweep on concurrent requests: `python -m benchmarks.retention`."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import numpy as np

from benchmarks.results_table import Row, print_table
from benchmarks.training_interference import Load
from tests.support.server_process import UNLIMITED, serve

EXPIRED, RETENTION_DAYS, AGE = 20_000, 365, timedelta(days=400)
RATE, ALTERNATIONS, MAX_RATIO = 100.0, 6, 4.0


def rows(folder: Path) -> Iterator[Row]:
    """Send requests at a steady rate beside a sweep of old images, then without one."""
    with serve(folder, **UNLIMITED) as server:
        Load(server).flood(1)
    oldest_kept = _add_expired(folder)
    beside = []
    with serve(folder, **UNLIMITED, RETENTION_DAYS=str(RETENTION_DAYS)) as server:
        load, started_at_s = Load(server), time.monotonic()
        while _count_expired(folder, oldest_kept):
            beside.append(load.steady(RATE))
        swept_s = time.monotonic() - started_at_s
        alone = [load.steady(RATE) for _ in range(ALTERNATIONS)]
    idle, swept = (
        1_000 * float(np.median([np.quantile(waits_s, 0.99) for waits_s in of]))
        for of in (alone, beside)
    )
    yield Row(
        f"p99 beside a sweep of {EXPIRED:,} images, at {RATE:.0f} requests a second",
        f"<= {MAX_RATIO:.0f} times the idle one",
        f"{swept:.1f} ms, {swept / idle:.2f} times {idle:.1f} ms; the sweep took {swept_s:.0f} s",
        missed=swept > MAX_RATIO * idle,
    )
    yield Row("the same: responses other than 200", "0", f"{load.failed}", load.failed > 0)


def _add_expired(folder: Path) -> str:
    """Copy a prediction to old ones, a fifth with feedback; return an id that is above theirs."""
    then = datetime.now(UTC) - AGE
    first_ms = int(then.timestamp() * 1_000)
    ids = [UUID(int=(first_ms + at) << 80).hex for at in range(EXPIRED)]
    with closing(sqlite3.connect(folder / "app.db")) as database, database:
        database.row_factory = sqlite3.Row
        sample = dict(database.execute("SELECT * FROM prediction LIMIT 1").fetchone())
        sample["created_at"] = f"{then:%Y-%m-%d %H:%M:%S.%f}"
        columns, values = ", ".join(sample), ", ".join(f":{name}" for name in sample)
        database.executemany(
            f"INSERT INTO prediction ({columns}) VALUES ({values})",
            [sample | {"id": each} for each in ids],
        )
        database.executemany(
            "INSERT INTO feedback (prediction, correct, user_id, prediction_id)"
            " VALUES (1, 1, ?, ?)",
            [(sample["user_id"], each) for each in ids[::5]],
        )
    return UUID(int=(first_ms + EXPIRED) << 80).hex


def _count_expired(folder: Path, oldest_kept: str) -> int:
    """Return how many of the old images are left."""
    query = "SELECT count(*) FROM prediction WHERE id < ? AND user_id IS NOT NULL"
    with closing(sqlite3.connect(folder / "app.db")) as database:
        return int(database.execute(query, (oldest_kept,)).fetchone()[0])


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        print_table([rows(Path(temporary) / "data")], 1, "sweeps")
