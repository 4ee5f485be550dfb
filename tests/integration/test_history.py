"""The history checker, in a short form: it has no findings, and finds planted faults."""

from pathlib import Path

import pytest

from benchmarks.history.checks import check
from benchmarks.history.findings import LOST, RESURRECTED, STALE, Finding, explain
from benchmarks.history.runs import RunOptions, run
from benchmarks.history.trace import BEGINS, OK, READY, Trace, read_trace

PREDICTIONS = 300


def run_and_check(options: RunOptions, folder: Path) -> tuple[Trace, list[Finding]]:
    """Return the trace of a run, and the findings of all checks."""
    run(options, folder / "trace.jsonl")
    trace = read_trace(folder / "trace.jsonl")
    return trace, [finding for found in check(trace).values() for finding in found]


@pytest.mark.parametrize(
    ("database", "action"),
    [("sqlite", "kill a server worker"), ("postgresql", "kill the database")],
)
def test_a_history_with_a_kill_is_consistent(tmp_path: Path, database: str, action: str) -> None:
    options = RunOptions(database, 1, PREDICTIONS, 1, staleness_s=60.0, actions=(action,))
    trace, found = run_and_check(options, tmp_path)
    assert [explain(each, trace.events) for each in found] == []
    assert [(each.what, each.event) for each in trace.events] == [(action, BEGINS), (action, READY)]
    acknowledged = {each.kind for each in trace.operations if each.outcome == OK}
    assert acknowledged >= {"predict", "feedback", "label", "deploy", "rollback", "erase"}


@pytest.mark.parametrize(
    ("planted", "kind"),
    [("dropped-commit", LOST), ("stale-model", STALE), ("resurrected-erasure", RESURRECTED)],
)
def test_a_planted_fault_is_found(tmp_path: Path, planted: str, kind: str) -> None:
    options = RunOptions("sqlite", 1, PREDICTIONS, 0, staleness_s=0.5, planted=planted)
    _, found = run_and_check(options, tmp_path)
    assert kind in {each.kind for each in found}
