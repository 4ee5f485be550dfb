"""The server killed repeatedly while it writes, and terminated under load."""

import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from app.store.engine import sqlite_backup
from benchmarks.chaos.load_clients import Responses, sending_requests
from benchmarks.results_table import Row
from tests.support.live_client import connect_live
from tests.support.server_process import UNLIMITED, Server, serve

CLIENTS, SOCKETS = 8, 10
MAX_EXIT_S = 10.0  # to be out


def kill_during_writes(times: int) -> Iterator[Row]:
    """Kill the server with SIGKILL at a random moment, repeatedly, on one database."""
    rng, responses = random.Random(8), Responses()
    with TemporaryDirectory() as folder:
        for number in tqdm(range(times), "kills", leave=False):
            _run_and_kill(Path(folder), responses, number, rng.uniform(0.1, 0.8))
        faults = sqlite_backup.list_faults(Path(folder) / "app.db")
        predictions, feedback_ids = _stored_ids(Path(folder) / "app.db")
    lost = len(set(responses.predictions) - predictions) + len(
        set(responses.feedback_ids) - feedback_ids
    )
    yield Row(
        f"kill -9 while {CLIENTS} clients write, {times} times: acknowledged rows lost",
        "0",
        f"{lost} of {len(responses.predictions) + len(responses.feedback_ids):,}",
        missed=lost > 0,
    )
    yield Row("the same: errors in the database", "0", f"{len(faults)}", missed=bool(faults))
    refused = sum(code != 200 for code in responses.statuses)
    yield Row("the same: responses other than 200", "0", f"{refused}", missed=refused > 0)


def _run_and_kill(folder: Path, responses: Responses, number: int, lifetime_s: float) -> None:
    server = Server(folder, UNLIMITED)
    server.wait()
    clients = [server.register(f"client {number} {each}") for each in range(CLIENTS)]
    with sending_requests(clients, responses, give_feedback=True):
        time.sleep(lifetime_s)
        server.kill()


def _stored_ids(database: Path) -> tuple[set[str], set[str]]:
    with closing(sqlite3.connect(database)) as rows:
        predictions = {_with_dashes(row[0]) for row in rows.execute("SELECT id FROM prediction")}
        feedback_ids = {
            _with_dashes(row[0]) for row in rows.execute("SELECT prediction_id FROM feedback")
        }
    return predictions, feedback_ids


def _with_dashes(name: str) -> str:
    return "-".join((name[:8], name[8:12], name[12:16], name[16:20], name[20:]))


def terminate_under_load() -> Iterator[Row]:
    """Send SIGTERM under load, with sockets open."""
    responses = Responses()
    with TemporaryDirectory() as folder, serve(Path(folder), **UNLIMITED) as server:
        clients = [server.register(f"client {each}") for each in range(CLIENTS)]
        tokens = [client.tokens["access_token"] for client in clients]
        with ExitStack() as stack:
            for number in range(SOCKETS):
                stack.enter_context(connect_live(server.url, tokens[number % CLIENTS]))
            with sending_requests(clients, responses):
                time.sleep(2)
                started_at_s = time.perf_counter()
                os.kill(server.process.pid, signal.SIGTERM)
                code = server.process.wait(30)
                exit_s = time.perf_counter() - started_at_s
        kept, _ = _stored_ids(Path(folder) / "app.db")
    what = f"SIGTERM under load with {SOCKETS} sockets open"
    is_late = exit_s > MAX_EXIT_S or code != 0
    yield Row(f"{what}: seconds until exit", f"<= {MAX_EXIT_S:g}", f"{exit_s:.1f}", missed=is_late)
    failed = sum(status != 200 for status in responses.statuses)
    yield Row(
        f"{what}: requests accepted and not answered with 200",
        "0",
        f"{failed} of {len(responses.statuses):,}",
        missed=failed > 0,
    )
    lost = len(set(responses.predictions) - kept)
    yield Row(f"{what}: acknowledged predictions lost", "0", f"{lost}", missed=lost > 0)
