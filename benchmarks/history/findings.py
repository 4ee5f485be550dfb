"""Findings: what a check reports, and how it is printed."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.history.trace import Event, Operation

LOST = "lost write"
DUPLICATE = "duplicate"
STALE = "stale model"
RESURRECTED = "resurrected erasure"
COUNTER = "wrong counter"
WRONG_VALUE = "wrong value"
UNEXPECTED = "unexpected response"
DAMAGED = "damaged database"
ENDED = "process"

MAX_EVIDENCE = 6


@dataclass(frozen=True)
class Finding:
    """A contradiction between what was acknowledged and what was read or stored.

    `evidence` are the few lines of the trace that show it.
    """

    kind: str
    what: str
    expected: str
    found: str
    evidence: Sequence[Operation] = ()


def explain(finding: Finding, events: Sequence[Event] = ()) -> str:
    """Return a finding as text: what, expected, found, the operations, and kills between them."""
    shown = sorted(finding.evidence, key=lambda each: each.invoked)[:MAX_EVIDENCE]
    timed = [(each.invoked, _operation_line(each)) for each in shown]
    if shown:
        first, last = shown[0].invoked - 1, max(each.completed for each in shown) + 1
        between = [each for each in events if first <= each.at <= last][:MAX_EVIDENCE]
        timed += [(each.at, _event_line(each)) for each in between]
    return "\n".join(
        [
            f"{finding.kind}: {finding.what}",
            f"  expected: {finding.expected}",
            f"  found:    {finding.found}",
            *(f"    {line}" for _, line in sorted(timed)),
        ]
    )


def _operation_line(operation: Operation) -> str:
    request = " ".join(f"{name}={content}" for name, content in operation.request.items())
    answer = " ".join(f"{name}={_short(content)}" for name, content in operation.answer.items())
    status = operation.status or operation.error
    return (
        f"{operation.invoked:9.3f} to {operation.completed:9.3f} s  {operation.client}:"
        f" {operation.kind} {request} -> {operation.outcome} ({status}) {answer}".rstrip()
    )


def _event_line(event: Event) -> str:
    return f"{event.at:9.3f} s{' ' * 15}{event.what}: {event.event}"


def _short(content: object) -> str:
    text = str(content)
    return text if len(text) <= 80 else f"{text[:77]}..."
