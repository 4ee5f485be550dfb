"""What can be said of an image or an account at a time, from the operations on it.

An operation has its effect at some moment between its request and its response; one without a
response has it at any moment after its request, or never. So of each moment it is either certain
that something was erased, or certain that it was not, or neither.
"""

import math
from collections import defaultdict

from benchmarks.history.trace import OK, Operation, Trace


class Timeline:
    """The acknowledged predictions of a trace, and when they and their accounts were erased."""

    def __init__(self, trace: Trace) -> None:
        self.predictions: dict[str, Operation] = {
            each.answer["id"]: each for each in trace.of_kind("predict") if each.outcome == OK
        }
        self._deletions: dict[str, list[Operation]] = defaultdict(list)
        self._erasures: dict[str, list[Operation]] = defaultdict(list)
        for each in trace.of_kind("delete_account", "erase"):
            if not each.may_have_happened:
                continue
            if each.kind == "erase":
                self._erasures[each.request["prediction_id"]].append(each)
            else:
                self._deletions[each.request["account"]].append(each)

    def erasures(self, prediction_id: str) -> list[Operation]:
        """Return the operations that may have erased a prediction, deletions of its owner too."""
        made = self.predictions.get(prediction_id)
        owner = "" if made is None else made.request["account"]
        return [*self._erasures.get(prediction_id, ()), *self.deletions(owner)]

    def deletions(self, account: str) -> list[Operation]:
        """Return the operations that may have deleted an account."""
        return self._deletions.get(account, [])

    def is_erased(self, prediction_id: str, at: float = math.inf) -> bool:
        """Return whether an erasure of a prediction was acknowledged before a moment."""
        return _is_certain(self.erasures(prediction_id), at)

    def may_be_erased(self, prediction_id: str, at: float = math.inf) -> bool:
        """Return whether an erasure of a prediction was requested before a moment."""
        return _is_possible(self.erasures(prediction_id), at)

    def is_deleted(self, account: str, at: float = math.inf) -> bool:
        """Return whether the deletion of an account was acknowledged before a moment."""
        return _is_certain(self.deletions(account), at)

    def may_be_deleted(self, account: str, at: float = math.inf) -> bool:
        """Return whether the deletion of an account was requested before a moment."""
        return _is_possible(self.deletions(account), at)


def _is_certain(operations: list[Operation], at: float) -> bool:
    return any(each.outcome == OK and each.completed <= at for each in operations)


def _is_possible(operations: list[Operation], at: float) -> bool:
    return any(each.invoked < at for each in operations)
