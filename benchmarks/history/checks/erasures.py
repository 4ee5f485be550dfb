"""Erasures: what was erased with an acknowledgment is never seen again, anywhere."""

from collections import defaultdict
from collections.abc import Iterator

from benchmarks.history.findings import RESURRECTED, Finding
from benchmarks.history.timeline import Timeline
from benchmarks.history.trace import OK, Operation, Trace

_BY_ID = ("get", "image", "feedback", "erase", "label", "next_item")


def check_erasures(trace: Trace, timeline: Timeline) -> Iterator[Finding]:
    """Look for erased predictions in later responses, in the rows and in exported labels."""
    for each in trace.operations:
        if each.outcome == OK:
            for prediction_id in _shown(each):
                if timeline.is_erased(prediction_id, each.invoked):
                    yield _finding(timeline, prediction_id, f"shown by a later {each.kind}", [each])
    yield from _check_rows(trace, timeline)
    yield from _check_exported(trace, timeline)


def _shown(operation: Operation) -> list[str]:
    """Return the predictions that a response proves to exist."""
    if operation.kind == "list":
        return [entry[0] for entry in operation.answer["entries"]]
    if operation.kind in _BY_ID:
        prediction_id = operation.request.get("prediction_id") or operation.answer.get("id")
        return [prediction_id] if prediction_id else []
    return []


def _check_rows(trace: Trace, timeline: Timeline) -> Iterator[Finding]:
    for prediction_id in timeline.predictions:
        row = trace.state.predictions.get(prediction_id)
        if row is None or not timeline.is_erased(prediction_id):
            continue
        if row.user_id is not None or row.image_hash is not None:
            image = "no image" if row.image_hash is None else "an image"
            found = f"a row with owner {row.user_id} and {image}"
            yield _finding(timeline, prediction_id, found)
    for row in trace.state.feedback:
        if row.prediction_id is not None and timeline.is_erased(row.prediction_id):
            yield _finding(timeline, row.prediction_id, f"feedback {row.comment!r} is stored")
    for prediction_id in trace.state.open_items:
        if timeline.is_erased(prediction_id):
            yield _finding(timeline, prediction_id, "its image waits for review")


def _check_exported(trace: Trace, timeline: Timeline) -> Iterator[Finding]:
    """Require for each label that training would get an image that was not erased."""
    candidates: dict[tuple[str, int], list[str]] = defaultdict(list)
    for prediction_id, row in trace.state.predictions.items():
        if row.user_id is not None and row.image_hash is not None:
            candidates[row.image_hash, row.user_id].append(prediction_id)
    for image_hash, digit, submitter_id in trace.state.exported:
        predictions = candidates[image_hash, submitter_id]
        if all(timeline.is_erased(each) for each in predictions):
            erasures = [each for one in predictions for each in timeline.erasures(one)]
            yield Finding(
                RESURRECTED,
                f"a label {digit} of image {image_hash} of account {submitter_id}",
                "no label of an erased image is used for training",
                "it is exported",
                erasures,
            )


def _finding(
    timeline: Timeline, prediction_id: str, found: str, evidence: list[Operation] | None = None
) -> Finding:
    made = timeline.predictions.get(prediction_id)
    return Finding(
        RESURRECTED,
        f"prediction {prediction_id}",
        "nothing of it, because its erasure was acknowledged",
        found,
        [*([made] if made else []), *timeline.erasures(prediction_id), *(evidence or [])],
    )
