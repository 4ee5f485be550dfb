"""A small sound history, from which tests make unsound ones."""

from dataclasses import replace
from typing import Any

from benchmarks.history.checks import check
from benchmarks.history.checks.responses import ALLOWED
from benchmarks.history.findings import Finding
from benchmarks.history.trace import (
    OK,
    FinalState,
    Operation,
    StoredDeployment,
    StoredFeedback,
    StoredLabel,
    StoredPrediction,
    Trace,
)

ANA, ANA_ID, REVIEWER, REVIEWER_ID = "ana", 2, "reviewer", 3


def operation(
    kind: str,
    at: float,
    outcome: str = OK,
    answer: dict[str, Any] | None = None,
    **request: Any,
) -> Operation:
    """Return an operation of ana's that takes one second."""
    request = {"account": ANA} | request
    usual = {OK: min(ALLOWED[kind]), "rejected": 404, "unknown": None}
    status = request.pop("status", usual[outcome])
    return Operation("client", kind, request, at, at + 1, outcome, status, answer or {})


def predict(at: float, name: str, model: str = "m1", outcome: str = OK) -> Operation:
    """Return a prediction by v1."""
    answer = {"id": name, "version": "v1", "model": model, "digit": 7} if outcome == OK else {}
    return operation("predict", at, outcome, answer, route="v1", image=0)


def stored(model: str = "m1", user_id: int | None = ANA_ID) -> StoredPrediction:
    """Return a row of a prediction by v1; without an owner it is an erased one."""
    return StoredPrediction(user_id, "v1", model, 7, None if user_id is None else "hash")


def small_history() -> Trace:
    """Return a history in which everything is as it should be.

    Model m2 replaces m1 at 20 s, "p2" is erased at 40 s, and "p3" has no response.
    """
    deploy = {"version": "v1", "model": "m2"}
    operations = [
        operation("register", 0),
        operation("register", 0, account=REVIEWER),
        predict(2, "p1"),
        predict(4, "p2"),
        predict(6, "", outcome="unknown"),
        operation("feedback", 10, prediction_id="p1", correct=True, comment="c1"),
        operation("legacy_feedback", 12, prediction=7, correct=True, comment="c2"),
        operation("next_item", 14, answer={"id": "p1"}, account=REVIEWER),
        operation("label", 16, account=REVIEWER, prediction_id="p1", label=7),
        operation("deploy", 20, answer={"id": 2, "model": "m2"}, **deploy),
        predict(24, "p4", "m2"),
        operation(
            "list",
            30,
            answer={"entries": [["p4", None], ["p3", None], ["p2", None], ["p1", "c1"]]},
            limit=20,
        ),
        operation("erase", 40, prediction_id="p2"),
        operation("get", 42, "rejected", prediction_id="p2"),
        operation("list_accounts", 44, answer={"accounts": [ANA, REVIEWER], "is_full": False}),
    ]
    state = FinalState(
        predictions={
            "p1": stored(),
            "p2": stored(user_id=None),
            "p3": stored(),
            "p4": stored("m2"),
        },
        feedback=[
            StoredFeedback("p1", ANA_ID, True, "c1"),
            StoredFeedback(None, ANA_ID, True, "c2"),
        ],
        labels=[StoredLabel("p1", REVIEWER_ID, 7)],
        deployments=[
            StoredDeployment(1, "v1", "m1", False, "bundled"),
            StoredDeployment(2, "v1", "m2", False, "deployed"),
        ],
        accounts={ANA: ANA_ID, REVIEWER: REVIEWER_ID},
        exported=[("hash", 7, ANA_ID)],
        served={"v1": 4},
    )
    return Trace({"staleness_s": 5.0}, operations, [], state)


def findings(trace: Trace) -> list[Finding]:
    """Return the findings of all checks."""
    return [each for found in check(trace).values() for each in found]


def kinds(trace: Trace) -> set[str]:
    """Return the kinds of the findings of all checks."""
    return {each.kind for each in findings(trace)}


def add(trace: Trace, *operations: Operation) -> Trace:
    """Return the history with further operations."""
    return replace(trace, operations=[*trace.operations, *operations])
