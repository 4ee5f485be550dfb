"""Processes: what happened to them beside the faults that were planned."""

from collections.abc import Iterator

from benchmarks.history.findings import ENDED, Finding
from benchmarks.history.timeline import Timeline
from benchmarks.history.trace import BEGINS, READY, Trace


def check_events(trace: Trace, _: Timeline) -> Iterator[Finding]:
    """Report processes that ended by themselves, or that outlived their parent process."""
    for event in trace.events:
        if event.event not in {BEGINS, READY}:
            before = [each.what for each in trace.events if each.at <= event.at]
            after = [each for each in before if each != event.what]
            cause = f", after: {after[-1]}" if after else ""
            what = f"{event.what} at {event.at:.1f} s{cause}"
            yield Finding(
                ENDED,
                what,
                "processes run until they are killed, or end with their parent process",
                event.event,
            )
