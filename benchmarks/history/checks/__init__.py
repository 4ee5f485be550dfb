"""Checks of a trace: pure functions from a trace and its timeline to findings."""

from collections.abc import Callable, Iterator

from benchmarks.history.checks import (
    accounts,
    counters,
    deployments,
    erasures,
    feedback,
    labels,
    predictions,
    processes,
    responses,
)
from benchmarks.history.findings import Finding
from benchmarks.history.timeline import Timeline
from benchmarks.history.trace import Trace

Check = Callable[[Trace, Timeline], Iterator[Finding]]

CHECKS: dict[str, Check] = {
    "acknowledged predictions are stored once, as answered": predictions.check_rows,
    "users see their acknowledged predictions": predictions.check_reads,
    "feedback is the last acknowledged": feedback.check_registers,
    "feedback of old clients is stored once": feedback.check_legacy,
    "labels are stored once, as acknowledged": labels.check_rows,
    "labeled images are not handed out again": labels.check_queue,
    "answers came from a model in service": deployments.check_served_models,
    "deployments are stored once, as acknowledged": deployments.check_rows,
    "deployments are listed once acknowledged": deployments.check_lists,
    "accounts exist until they are deleted": accounts.check_accounts,
    "what was erased does not come back": erasures.check_erasures,
    "counters match a recount": counters.check_counters,
    "no response is unexpected": responses.check_statuses,
    "no process ends, or goes on, by itself": processes.check_events,
}


def check(trace: Trace) -> dict[str, list[Finding]]:
    """Run every check; return the findings of each."""
    timeline = Timeline(trace)
    return {name: list(run(trace, timeline)) for name, run in CHECKS.items()}
