"""Predictions: stored exactly once, as they were answered, and visible to their owner."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from benchmarks.history.findings import DUPLICATE, LOST, WRONG_VALUE, Finding
from benchmarks.history.timeline import Timeline
from benchmarks.history.trace import OK, UNKNOWN, Operation, Trace


def check_rows(trace: Trace, timeline: Timeline) -> Iterator[Finding]:
    """Compare the rows with the answers; rows without an answer need a request without one."""
    for prediction_id, made in timeline.predictions.items():
        yield from _check_row(trace, timeline, prediction_id, made)
    yield from _check_unacknowledged(trace, timeline)


def _check_row(
    trace: Trace, timeline: Timeline, prediction_id: str, made: Operation
) -> Iterator[Finding]:
    row = trace.state.predictions.get(prediction_id)
    what = f"prediction {prediction_id}"
    if row is None:
        yield Finding(LOST, what, "a row, because it was acknowledged", "no row", [made])
        return
    answered = {name: made.answer[name] for name in ("version", "model", "digit")}
    stored = {"version": row.version, "model": row.model, "digit": row.digit}
    if stored != answered:
        yield Finding(WRONG_VALUE, what, f"{answered}", f"{stored}", [made])
    if not timeline.may_be_erased(prediction_id):
        owner = trace.state.accounts.get(made.request["account"])
        if row.user_id is None or row.user_id != owner or row.image_hash is None:
            found = f"owner {row.user_id}, {'no' if row.image_hash is None else 'an'} image"
            expected = f"owner {owner} and an image, because nobody erased it"
            yield Finding(LOST, what, expected, found, [made])


def _check_unacknowledged(trace: Trace, timeline: Timeline) -> Iterator[Finding]:
    """Count rows that nobody got an answer for; those of deleted accounts have no owner left."""
    names = {user_id: name for name, user_id in trace.state.accounts.items()}
    found = Counter[str]()
    for prediction_id, row in trace.state.predictions.items():
        if prediction_id not in timeline.predictions:
            found["" if row.user_id is None else names.get(row.user_id, f"id {row.user_id}")] += 1
    unknown: dict[str, list[Operation]] = defaultdict(list)
    for each in trace.of_kind("predict"):
        if each.outcome == UNKNOWN:
            account = each.request["account"]
            unknown[account].append(each)
            if timeline.may_be_deleted(account):
                unknown[""].append(each)
    for account, rows in found.items():
        requests = unknown[account]
        if rows > len(requests):
            yield Finding(
                DUPLICATE,
                f"predictions of {account or 'deleted accounts'} that nobody got an answer for",
                f"at most {len(requests)} rows, one for each request without a response",
                f"{rows} rows",
                requests,
            )


def check_reads(trace: Trace, timeline: Timeline) -> Iterator[Finding]:
    """Require that reads show what was acknowledged before them, unless it was being erased."""
    for each in trace.of_kind("get", "image", "feedback", "erase"):
        if each.status == 404 or each.kind == "get":
            yield from _check_single(timeline, each)
    by_account: dict[str, list[str]] = defaultdict(list)
    for prediction_id, made in timeline.predictions.items():
        by_account[made.request["account"]].append(prediction_id)
    for owned in by_account.values():
        owned.sort(reverse=True)
    for each in trace.of_kind("list"):
        if each.outcome == OK:
            yield from _check_page(timeline, each, by_account[each.request["account"]])


def _check_single(timeline: Timeline, read: Operation) -> Iterator[Finding]:
    prediction_id = read.request["prediction_id"]
    made, what = timeline.predictions[prediction_id], f"prediction {prediction_id}"
    if read.status == 404 and not timeline.may_be_erased(prediction_id, read.completed):
        expected = "found, because it was acknowledged and not erased"
        yield Finding(LOST, f"{read.kind} of {what}", expected, "404", [made, read])
    if read.kind == "get" and read.outcome == OK:
        answered, shown = (
            {name: each.answer[name] for name in ("version", "model", "digit")}
            for each in (made, read)
        )
        if answered != shown:
            yield Finding(WRONG_VALUE, what, f"{answered}", f"{shown}", [made, read])


def _check_page(timeline: Timeline, page: Operation, owned: list[str]) -> Iterator[Finding]:
    """Check one page, newest first; a full page ends at its last entry."""
    shown = [entry[0] for entry in page.answer["entries"]]
    before, is_full = page.request.get("before"), len(shown) == page.request["limit"]
    for prediction_id in owned:
        if is_full and prediction_id < shown[-1]:
            return
        if before is not None and prediction_id >= before:
            continue
        made = timeline.predictions[prediction_id]
        is_missing = made.completed <= page.invoked and prediction_id not in shown
        if is_missing and not timeline.may_be_erased(prediction_id, page.completed):
            what = f"prediction {prediction_id} in a list of {page.request['account']}"
            expected = "listed, because it was acknowledged before and not erased"
            yield Finding(LOST, what, expected, "not listed", [made, page])
