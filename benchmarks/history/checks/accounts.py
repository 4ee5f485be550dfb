"""Accounts: they exist from their registration until their deletion, and not again."""

from collections.abc import Iterator

from benchmarks.history.findings import LOST, RESURRECTED, Finding
from benchmarks.history.timeline import Timeline
from benchmarks.history.trace import OK, Operation, Trace


def check_accounts(trace: Trace, timeline: Timeline) -> Iterator[Finding]:
    """Check the rows of accounts, their logins and predictions, and admins' lists of them."""
    registered = {
        each.request["account"]: each for each in trace.of_kind("register") if each.outcome == OK
    }
    for account, registration in registered.items():
        is_stored = account in trace.state.accounts
        what, deletions = f"account {account}", timeline.deletions(account)
        if timeline.is_deleted(account) and is_stored:
            found = "a row"
            expected = "no row, because its deletion was acknowledged"
            yield Finding(RESURRECTED, what, expected, found, [registration, *deletions])
        if not deletions and not is_stored:
            expected = "a row, because its registration was acknowledged"
            yield Finding(LOST, what, expected, "no row", [registration])
    for each in trace.operations:
        account = each.request.get("account", "")
        if account in registered:
            yield from _check_use(timeline, registered[account], each)
    for each in trace.of_kind("list_accounts"):
        if each.outcome == OK:
            yield from _check_list(timeline, registered, each)


def _check_use(timeline: Timeline, registration: Operation, use: Operation) -> Iterator[Finding]:
    account = registration.request["account"]
    what, deletions = f"{use.kind} of account {account}", timeline.deletions(account)
    is_success = use.outcome == OK and use.kind in {"login", "predict", "legacy_feedback"}
    if is_success and timeline.is_deleted(account, use.invoked):
        expected = "rejected, because the account's deletion was acknowledged"
        yield Finding(RESURRECTED, what, expected, f"{use.status}", [*deletions, use])
    if use.status == 401 and not timeline.may_be_deleted(account, use.completed):
        expected = "accepted, because the account was not deleted"
        yield Finding(LOST, what, expected, "401", [registration, use])


def _check_list(
    timeline: Timeline, registered: dict[str, Operation], listing: Operation
) -> Iterator[Finding]:
    listed = set(listing.answer["accounts"])
    for account, registration in registered.items():
        what, deletions = f"account {account} in an admin's list", timeline.deletions(account)
        if account in listed and timeline.is_deleted(account, listing.invoked):
            expected = "not listed, because its deletion was acknowledged"
            yield Finding(RESURRECTED, what, expected, "listed", [*deletions, listing])
        is_due = registration.completed <= listing.invoked and not listing.answer["is_full"]
        may_be_missing = timeline.may_be_deleted(account, listing.completed)
        if is_due and account not in listed and not may_be_missing:
            expected = "listed, because its registration was acknowledged"
            yield Finding(LOST, what, expected, "not listed", [registration, listing])
