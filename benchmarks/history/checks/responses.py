"""Responses: only statuses that the API documents for what was asked."""

from collections.abc import Iterator

from benchmarks.history.findings import UNEXPECTED, Finding
from benchmarks.history.timeline import Timeline
from benchmarks.history.trace import Trace

UNAVAILABLE = 503
_OF_ACCOUNTS = {401, UNAVAILABLE}  # 401 of accounts that exist: checks/accounts.py

ALLOWED = {
    "register": {201},
    "promote": {200},
    "login": {200},
    "predict": {200, 409, 413, 422},  # 409: the account is being deleted; 413: decoding timed out
    "feedback": {201, 404, 409},
    "legacy_feedback": {201, 409},
    "get": {200, 404},
    "image": {200, 404},
    "list": {200},
    "erase": {200, 404},
    "delete_account": {200},
    "next_item": {200},
    "label": {201, 404, 409},
    "undo": {200, 409},
    "deploy": {201, 409},
    "rollback": {201, 409},
    "list_deployments": {200},
    "list_accounts": {200},
}


def check_statuses(trace: Trace, _: Timeline) -> Iterator[Finding]:
    """Report every other status; a request without a response has none."""
    for each in trace.operations:
        if each.status is not None and each.status not in ALLOWED[each.kind] | _OF_ACCOUNTS:
            expected = f"one of {sorted(ALLOWED[each.kind] | {UNAVAILABLE})}"
            yield Finding(
                UNEXPECTED, f"{each.kind} by {each.client}", expected, str(each.status), [each]
            )
