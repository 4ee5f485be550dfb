"""One run: start the processes, let clients follow their plans under faults, and record it all."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from benchmarks.history import database, plan
from benchmarks.history.connection import Connection
from benchmarks.history.database import Models
from benchmarks.history.images import ImageFiles
from benchmarks.history.pace import Pace
from benchmarks.history.plan import Step
from benchmarks.history.processes import Processes, run_processes
from benchmarks.history.staff import (
    AdminClient,
    ReviewerClient,
    create_reviewer,
    log_in_admin,
)
from benchmarks.history.trace import Recorder
from benchmarks.history.users import Account, UserClient
from tests.conftest import make_config, opened_app

POLL_S = 0.05


@dataclass(frozen=True)
class RunOptions:
    """What to run: predictions of all clients together, and faults by these actions, or by all."""

    database: str
    seed: int
    predictions: int
    faults: int
    staleness_s: float
    planted: str | None = None
    actions: tuple[str, ...] = ()


def run(options: RunOptions, trace_file: Path) -> None:
    """Run once, and write the trace with the final state to a file."""
    recorder = Recorder(trace_file, asdict(options))
    with (
        TemporaryDirectory(prefix="cifra-history-") as folder,
        run_processes(options.database, Path(folder), options.planted) as processes,
    ):
        config = make_config(processes.data_dir, **processes.settings)
        with opened_app(config) as app:
            models = database.store_models(app)
        _run_clients(options, processes, recorder, models)
        processes.stop_all()
        with opened_app(config) as app:
            recorder.finish(database.read_state(app, config.database_file))


def _run_clients(
    options: RunOptions, processes: Processes, recorder: Recorder, models: Models
) -> None:
    def connect(name: str) -> Connection:
        return Connection(processes.server.url, name, recorder)

    admin = log_in_admin(connect("admin"), processes.server.admin_password)
    names = [f"reviewer {number}" for number in range(plan.REVIEWERS)]
    reviewers = [create_reviewer(connect(name), admin, name) for name in names]
    pace = Pace(recorder)
    staff = [
        (ReviewerClient(connect(name), login, pace), plan.reviewer_steps(options.seed, number))
        for number, (name, login) in enumerate(zip(names, reviewers, strict=True))
    ]
    processes.recorder = recorder
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(64))
        stack.callback(pace.is_over.set)
        users = [
            pool.submit(client.run, pace.hold(steps)) for client, steps in _users(options, connect)
        ]
        others = [pool.submit(client.run, steps) for client, steps in staff]
        admin_client = AdminClient(connect("admin"), admin, pace, models)
        others.append(pool.submit(admin_client.run, plan.admin_steps(options.seed)))
        _inject_faults(options, processes, pace, users)
    for each in (*users, *others):
        each.result()


def _users(
    options: RunOptions, connect: Callable[[str], Connection]
) -> Iterator[tuple[UserClient, Iterator[Step]]]:
    images = ImageFiles()
    clients = plan.ACCOUNTS * plan.CLIENTS_PER_ACCOUNT
    accounts = [Account(f"user {number}") for number in range(plan.ACCOUNTS)]
    for number in range(clients):
        name = f"client {number}"
        client = UserClient(connect(name), name, accounts[number % plan.ACCOUNTS], images)
        yield client, plan.user_steps(options.seed, number, options.predictions // clients)


def _inject_faults(
    options: RunOptions, processes: Processes, pace: Pace, users: Sequence[Future[None]]
) -> None:
    """Do what is planned to the processes, until every user's client is done.

    Clients go on during a fault, up to the number of predictions at which the next one is due.
    """
    actions = list(options.actions or processes.actions)
    faults = plan.plan_faults(options.seed, options.predictions, options.faults, actions)
    with tqdm(total=options.predictions, desc=options.database, unit="prediction") as progress:
        while not all(each.done() for each in users):
            progress.update(pace.sent - progress.n)
            pace.limit = faults[1].after if len(faults) > 1 else math.inf
            if faults and pace.sent >= faults[0].after:
                progress.set_postfix_str(faults[0].action)
                processes.act(faults.pop(0).action)
                progress.set_postfix_str("")
            processes.restart_ended()
            time.sleep(POLL_S)
        progress.update(pace.sent - progress.n)
