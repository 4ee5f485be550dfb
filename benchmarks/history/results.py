"""Print what a run did and what its checks found."""

from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.history.checks.deployments import longest_staleness_s
from benchmarks.history.findings import Finding, explain
from benchmarks.history.trace import BEGINS, OK, READY, REJECTED, UNKNOWN, Trace

MAX_EXPLAINED = 5  # findings of each check


def print_results(trace: Trace, found: Mapping[str, Sequence[Finding]]) -> None:
    """Print the findings, then tables of the operations, the faults and the checks."""
    for findings in found.values():
        for finding in findings[:MAX_EXPLAINED]:
            print(explain(finding, trace.events) + "\n")
    _print_operations(trace)
    _print_events(trace)
    print("| check | findings |\n| --- | --- |")
    for name, findings in found.items():
        print(f"| {name} | {len(findings)} |")
    seconds = max((each.completed for each in trace.operations), default=0.0)
    print(
        f"\nseed {trace.settings.get('seed')}, {trace.settings.get('database')}:"
        f" {seconds:.0f} s; a replaced model answered for at most"
        f" {longest_staleness_s(trace):.1f} s\n"
    )


def _print_operations(trace: Trace) -> None:
    counts = Counter((each.kind, each.outcome) for each in trace.operations)
    print("| operation | acknowledged | rejected | unknown |\n| --- | --- | --- | --- |")
    kinds = dict.fromkeys(each.kind for each in trace.operations)
    for kind in kinds:
        figures = " | ".join(f"{counts[kind, outcome]:,}" for outcome in (OK, REJECTED, UNKNOWN))
        print(f"| {kind.replace('_', ' ')} | {figures} |")
    print()


def _print_events(trace: Trace) -> None:
    counts = Counter(
        each.what if each.event == BEGINS else f"{each.what}: {each.event}"
        for each in trace.events
        if each.event != READY
    )
    print("| fault | times |\n| --- | --- |")
    for what, times in sorted(counts.items()):
        print(f"| {what} | {times} |")
    print()
