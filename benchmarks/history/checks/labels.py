"""Reviewers' labels: stored exactly as acknowledged, and their images not handed out again.

A reviewer sends one request at a time, so the possible labels of an image follow step by step.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from app.domain.review_labels import SKIPPED
from benchmarks.history.findings import DUPLICATE, LOST, WRONG_VALUE, Finding
from benchmarks.history.timeline import Timeline
from benchmarks.history.trace import OK, Operation, Trace

Labels = tuple[int, ...]
Key = tuple[str, str]  # reviewer and image


def check_rows(trace: Trace, _: Timeline) -> Iterator[Finding]:
    """Compare the rows of each reviewer and image with what the requests can have stored."""
    operations: dict[Key, list[Operation]] = defaultdict(list)
    for each in trace.of_kind("label", "undo"):
        operations[each.request["account"], each.request["prediction_id"]].append(each)
    names = {user_id: name for name, user_id in trace.state.accounts.items()}
    rows: dict[Key, list[int]] = defaultdict(list)
    for row in trace.state.labels:
        rows[names.get(row.reviewer_id, f"id {row.reviewer_id}"), row.prediction_id].append(
            row.label
        )
    for key in operations.keys() | rows.keys():
        yield from _check_key(key, operations[key], tuple(rows[key]))


def _check_key(key: Key, operations: Sequence[Operation], stored: Labels) -> Iterator[Finding]:
    allowed = possible_labels(operations)
    if stored in allowed:
        return
    what = f"labels of {key[0]} of image {key[1]}"
    most, least = max(map(len, allowed)), min(map(len, allowed))
    kind = DUPLICATE if len(stored) > most else LOST if len(stored) < least else WRONG_VALUE
    expected = "one of " + ", ".join(str(list(each)) for each in sorted(allowed))
    yield Finding(kind, what, expected, f"{list(stored)}", operations)


def possible_labels(operations: Sequence[Operation]) -> set[Labels]:
    """Return the labels that one reviewer's requests on an image can have left, in their order."""
    states: set[Labels] = {()}
    for each in operations:
        if not each.may_have_happened:
            continue
        if each.kind == "undo":
            after = {state[:-1] for state in states}
        else:
            after = {(*state, each.request["label"]) for state in states}
        states = after if each.outcome == OK else states | after
    return states


def check_queue(trace: Trace, _: Timeline) -> Iterator[Finding]:
    """Require that an image with an acknowledged label is not handed out, unless undone."""
    labeled: dict[str, list[Operation]] = defaultdict(list)
    undone: dict[str, list[Operation]] = defaultdict(list)
    for each in trace.of_kind("label", "undo"):
        if each.kind == "undo" and each.may_have_happened:
            undone[each.request["prediction_id"]].append(each)
        elif each.outcome == OK and each.request["label"] != SKIPPED:
            labeled[each.request["prediction_id"]].append(each)
    for each in trace.of_kind("next_item"):
        image = each.answer.get("id", "")
        if any(undo.invoked < each.completed for undo in undone[image]):
            continue
        before = [label for label in labeled[image] if label.completed <= each.invoked]
        if before:
            what, found = f"image {image}", f"handed out to {each.request['account']}"
            yield Finding(LOST, what, "not in the queue once it is labeled", found, [*before, each])
