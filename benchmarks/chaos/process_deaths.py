"""Each process of each way to serve is killed, and terminated, under load and while a model trains.

A parent process, which nothing in Cifra replaces, is started again at once, as a supervisor would.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil

from benchmarks.chaos.deployments import CLIENTS, SETUPS, Deployment, deploy
from benchmarks.chaos.load_clients import Responses, sending_requests
from benchmarks.chaos.measuring import POLL_INTERVAL_S, holds_within
from benchmarks.chaos.services import Service, is_running
from benchmarks.results_table import Line
from tests.support.live_client import wait_until

HEADER = ("processes", "killed", "signal", "requests", "errors", "recovery, s", "orphans")
SIGNALS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM}
MAX_RECOVERY_S = 60.0  # a retrain goes on once the lease of its worker has expired
MAX_ORPHAN_S = 10.0
MAX_ERRORS = 2 * CLIENTS  # of a worker: the requests that it was answering, and one retry each
LOAD_BEFORE_S, LOAD_AFTER_S = 1.0, 1.0


@dataclass(frozen=True)
class Target:
    """A process to kill, how to tell that all is well again, and how many errors that may cost."""

    name: str
    service: Service
    find: Callable[[], list[psutil.Process]]
    has_recovered: Callable[[], bool]
    max_errors: int | None  # None: nothing listens until the parent has been started again


@dataclass(frozen=True)
class Outcome:
    """What a death cost: requests of clients, those that failed, seconds, and processes left."""

    requests: int
    errors: int
    recovery_s: float | None
    orphans: list[str]


def measure() -> Iterator[Line]:
    """Yield a line for each process and signal; it misses if anything is left or stays down."""
    for setup in SETUPS:
        with deploy(setup) as deployment:
            for target in _targets(deployment):
                for name, number in SIGNALS.items():
                    outcome = _die(deployment, target, number)
                    yield _line((setup.name, target.name, name), target, outcome)


def _targets(deployment: Deployment) -> Iterator[Target]:
    server, retrains, live = deployment.server, deployment.retrains, deployment.live
    predicts = deployment.can_predict
    yield Target("parent", server, lambda: [server.parent()], predicts, None)
    yield Target("worker", server, server.workers, predicts, MAX_ERRORS)
    yield Target("decoder", server, _children(server, "app.imaging.decoder_process"), predicts, 0)
    if retrains is not server:
        yield Target(
            "retrain worker", retrains, lambda: [retrains.parent()], deployment.is_training, 0
        )
    yield Target(
        "training",
        retrains,
        _children(retrains, "app.training.retrain"),
        lambda: deployment.job_status() == "failed",
        0,
    )
    if live is not None:
        has_event = _has_new_event(deployment)
        yield Target("parent of the live service", live, lambda: [live.parent()], has_event, 0)
        yield Target("worker of the live service", live, live.workers, has_event, 0)


def _children(service: Service, module: str) -> Callable[[], list[psutil.Process]]:
    return lambda: service.children(module)


def _has_new_event(deployment: Deployment) -> Callable[[], bool]:
    """Return a function that tells whether a dashboard that reconnected hears of predictions."""

    def has_new_event() -> bool:
        dashboard = deployment.dashboard
        if dashboard is None or not dashboard.sio.connected:
            return False
        seen = len(dashboard.received("traffic"))
        time.sleep(POLL_INTERVAL_S)
        return len(dashboard.received("traffic")) > seen

    return has_new_event


def _die(deployment: Deployment, target: Target, number: signal.Signals) -> Outcome:
    """Send the signal while clients send requests; wait until all is well again."""
    deployment.wait_for_training()
    workers = len(deployment.server.workers())
    wait_until(deployment.can_predict, "the server")
    victim, responses = _find(target), Responses()
    with sending_requests(deployment.clients, responses, reconnect=True, files=deployment.files):
        time.sleep(LOAD_BEFORE_S)
        started_at_s = time.monotonic()
        victim.send_signal(number)
        holds_within(MAX_RECOVERY_S, lambda: not is_running(victim))
        if victim.pid == target.service.server.process.pid:
            target.service.restart()
        has_recovered = holds_within(MAX_RECOVERY_S, lambda: _is_well(target))
        recovery_s = time.monotonic() - started_at_s
        time.sleep(LOAD_AFTER_S)
    is_complete = holds_within(MAX_RECOVERY_S, lambda: len(deployment.server.workers()) == workers)
    failed = sum(status != 200 for status in responses.statuses)
    return Outcome(
        requests=len(responses.statuses) + len(responses.errors),
        errors=len(responses.errors) + failed,
        recovery_s=recovery_s if has_recovered and is_complete else None,
        orphans=_list_orphans(deployment),
    )


def _is_well(target: Target) -> bool:
    """Return whether all is well, and not thanks to a worker of a parent that has ended."""
    return target.has_recovered() and not target.service.orphans()


def _find(target: Target) -> psutil.Process:
    found = wait_until(target.find, target.name)
    assert isinstance(found, list)
    process = found[0]
    assert isinstance(process, psutil.Process)
    return process


def _list_orphans(deployment: Deployment) -> list[str]:
    """Return the commands of the processes that nobody waits for any more, and end them."""
    services = deployment.services
    holds_within(MAX_ORPHAN_S, lambda: not any(service.orphans() for service in services))
    commands = []
    for process in [orphan for service in services for orphan in service.orphans()]:
        with suppress(psutil.NoSuchProcess):
            commands.append(" ".join(process.cmdline()))
            process.kill()
    return commands


def _line(names: tuple[str, str, str], target: Target, outcome: Outcome) -> Line:
    is_over = target.max_errors is not None and outcome.errors > target.max_errors
    recovery = "none" if outcome.recovery_s is None else f"{outcome.recovery_s:.1f}"
    left = "; ".join([str(len(outcome.orphans)), *outcome.orphans])
    figures = (f"{outcome.requests:,}", f"{outcome.errors:,}", recovery, left)
    missed = is_over or outcome.recovery_s is None or bool(outcome.orphans)
    return Line((*names, *figures), missed=missed)
