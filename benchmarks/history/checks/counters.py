"""Counters: they match a recount of their rows, and what clients were told."""

from collections.abc import Iterator

from benchmarks.history.findings import COUNTER, DAMAGED, Finding
from benchmarks.history.timeline import Timeline
from benchmarks.history.trace import OK, UNKNOWN, Operation, Trace

VERSIONS = ("v1", "v2")


def check_counters(trace: Trace, _: Timeline) -> Iterator[Finding]:
    """Report counters that differ from their rows, or from the acknowledged predictions."""
    for line in trace.state.counter_differences:
        name, _, rest = line.partition(": ")
        yield Finding(COUNTER, f"counter {name}", "the recount of its rows", rest)
    for line in trace.state.database_faults:
        yield Finding(DAMAGED, "the database's own check", "no fault", line)
    for version in VERSIONS:
        yield from _check_served(trace, version)


def _check_served(trace: Trace, version: str) -> Iterator[Finding]:
    predictions = list(trace.of_kind("predict"))
    least = sum(each.outcome == OK and each.answer["version"] == version for each in predictions)
    most = least + sum(_may_count(each, version) for each in predictions)
    served = trace.state.served.get(version, 0)
    if not least <= served <= most:
        expected = f"from {least} (acknowledged) to {most} (with requests without a response)"
        yield Finding(COUNTER, f"predictions served by {version}", expected, f"{served}")


def _may_count(operation: Operation, version: str) -> bool:
    return operation.outcome == UNKNOWN and operation.request["route"] in {version, "ab"}
