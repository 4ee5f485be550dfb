"""Feedback: what is stored is the last acknowledged write, and each write is stored once.

Each write has a comment of its own, so that a stored or shown comment names its write.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from benchmarks.history.findings import DUPLICATE, LOST, RESURRECTED, WRONG_VALUE, Finding
from benchmarks.history.timeline import Timeline
from benchmarks.history.trace import OK, Operation, StoredFeedback, Trace

Writes = dict[str, list[Operation]]


def check_registers(trace: Trace, timeline: Timeline) -> Iterator[Finding]:
    """Check the feedback on each prediction, in reads and in the rows."""
    writes: Writes = defaultdict(list)
    for each in trace.of_kind("feedback"):
        if each.may_have_happened:
            writes[each.request["prediction_id"]].append(each)
        elif each.status == 409:
            yield from _check_conflict(trace, each)
    for read, prediction_id, comment in _reads(trace):
        yield from _check_read(writes[prediction_id], read, prediction_id, comment)
    rows: dict[str, list[StoredFeedback]] = defaultdict(list)
    for row in trace.state.feedback:
        if row.prediction_id is not None:
            rows[row.prediction_id].append(row)
    for prediction_id in writes.keys() | rows.keys():
        yield from _check_stored(
            timeline, writes[prediction_id], prediction_id, rows[prediction_id]
        )


def _check_conflict(trace: Trace, conflict: Operation) -> Iterator[Finding]:
    """Require other feedback that a 409 can come from."""
    prediction_id = conflict.request["prediction_id"]
    for other in trace.of_kind("feedback"):
        is_same = other.request["prediction_id"] == prediction_id and other is not conflict
        if is_same and other.may_have_happened and other.invoked < conflict.completed:
            return
    what = f"feedback on prediction {prediction_id}"
    yield Finding(WRONG_VALUE, what, "accepted: there is no other", "409", [conflict])


def _reads(trace: Trace) -> Iterator[tuple[Operation, str, str | None]]:
    for each in trace.of_kind("get", "list"):
        if each.outcome == OK and each.kind == "get":
            yield each, each.request["prediction_id"], each.answer["comment"]
        elif each.outcome == OK:
            for prediction_id, comment in each.answer["entries"]:
                yield each, prediction_id, comment


def allowed_comments(
    writes: Sequence[Operation], begin: float = math.inf, end: float = math.inf
) -> set[str | None]:
    """Return what a read between two moments may show; None stands for no feedback.

    A write is overwritten once another one was acknowledged that began after it was.
    """
    certain = [each for each in writes if each.outcome == OK and each.completed <= begin]
    allowed: set[str | None] = {
        write.request["comment"]
        for write in writes
        if write.invoked < end and not any(later.invoked >= write.latest for later in certain)
    }
    return allowed if certain else allowed | {None}


def _check_read(
    writes: Sequence[Operation], read: Operation, prediction_id: str, comment: str | None
) -> Iterator[Finding]:
    allowed = allowed_comments(writes, read.invoked, read.completed)
    if comment not in allowed:
        kind = LOST if comment is None else WRONG_VALUE
        what = f"feedback on prediction {prediction_id}, read by {read.kind}"
        yield Finding(kind, what, _one_of(allowed), f"{comment!r}", [*writes, read])


def _check_stored(
    timeline: Timeline,
    writes: Sequence[Operation],
    prediction_id: str,
    rows: Sequence[StoredFeedback],
) -> Iterator[Finding]:
    what = f"feedback on prediction {prediction_id}"
    allowed = allowed_comments(writes)
    if timeline.may_be_erased(prediction_id):
        allowed |= {None}  # rows that should be gone are the erasure check's
    if len(rows) > 1:
        yield Finding(DUPLICATE, what, "one row", f"{len(rows)} rows", writes)
    if not rows and None not in allowed:
        yield Finding(LOST, what, _one_of(allowed), "no row", writes)
    for row in rows:
        if row.comment not in allowed:
            yield Finding(WRONG_VALUE, what, _one_of(allowed), f"{row.comment!r}", writes)
        elif any(_contradicts(timeline, write, row) for write in writes):
            found = f"correct={row.correct} in {row.comment!r}"
            yield Finding(WRONG_VALUE, what, f"correct={not row.correct}", found, writes)


def _contradicts(timeline: Timeline, write: Operation, row: StoredFeedback) -> bool:
    """Return whether a row has a write's comment, but another value."""
    if write.request["comment"] != row.comment:
        return False
    predicted = timeline.predictions[write.request["prediction_id"]].answer["digit"]
    digit = write.request.get("digit")
    correct = write.request.get("correct") if digit is None else digit == predicted
    return row.correct != correct


def _one_of(allowed: set[str | None]) -> str:
    return "one of " + ", ".join(sorted(map(repr, allowed)))


def check_legacy(trace: Trace, timeline: Timeline) -> Iterator[Finding]:
    """Check the feedback that names no prediction: each write adds a row."""
    rows = Counter(row.comment for row in trace.state.feedback if row.prediction_id is None)
    for each in trace.of_kind("legacy_feedback"):
        stored, account = rows.pop(each.request["comment"], 0), each.request["account"]
        what = f"feedback {each.request['comment']!r} of {account}"
        if stored > each.may_have_happened:
            expected = f"at most {int(each.may_have_happened)} rows"
            yield Finding(DUPLICATE, what, expected, f"{stored} rows", [each])
        elif not stored and each.outcome == OK and not timeline.may_be_deleted(account):
            yield Finding(LOST, what, "a row, because it was acknowledged", "no row", [each])
        elif stored and timeline.is_deleted(account):
            found = "a row, after the account's deletion was acknowledged"
            yield Finding(RESURRECTED, what, "no row", found, [each, *timeline.deletions(account)])
    for comment, stored in rows.items():
        yield Finding(DUPLICATE, f"feedback {comment!r}", "no such request", f"{stored} rows")
