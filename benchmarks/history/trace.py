"""The trace of a run: what clients did, what happened to processes, and what was stored at the end.

A trace is written one JSON line per operation while the run goes on, and can be read again.
"""

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OK = "ok"  # acknowledged
REJECTED = "rejected"  # a 4xx response: certainly without effect
UNKNOWN = "unknown"  # no response, or a 5xx one: may or may not have had its effect

BEGINS, READY = "begins", "ready again"  # of a fault


@dataclass(frozen=True)
class Operation:
    """One request of a client; times are of one monotonic clock, in s since the run started."""

    client: str
    kind: str
    request: dict[str, Any]
    invoked: float
    completed: float
    outcome: str
    status: int | None = None
    answer: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def latest(self) -> float:
        """The time by which the effect must have happened: never, if no response said so."""
        return self.completed if self.outcome == OK else math.inf

    @property
    def may_have_happened(self) -> bool:
        """Whether the operation may have had its effect."""
        return self.outcome != REJECTED


@dataclass(frozen=True)
class Event:
    """Something done to a process, or that it did by itself."""

    what: str
    event: str
    at: float


@dataclass(frozen=True)
class StoredPrediction:
    """A row of a prediction; without owner and image if it was erased."""

    user_id: int | None
    version: str
    model: str
    digit: int
    image_hash: str | None


@dataclass(frozen=True)
class StoredFeedback:
    """A row of feedback; without a prediction if it came from an old client."""

    prediction_id: str | None
    user_id: int | None
    correct: bool
    comment: str | None


@dataclass(frozen=True)
class StoredLabel:
    """A row of a reviewer's label; an attention check's answer looks the same."""

    prediction_id: str
    reviewer_id: int
    label: int


@dataclass(frozen=True)
class StoredDeployment:
    """A row of a deployment."""

    id: int
    version: str
    model: str
    is_rollback: bool
    reason: str


@dataclass
class FinalState:
    """What the database contains once every client is done.

    `accounts` has ids by username, `open_items` the images that wait for review, `exported` the
    labels that a training run would get: image hash, digit and id of the submitter.
    """

    predictions: dict[str, StoredPrediction] = field(default_factory=dict)
    feedback: list[StoredFeedback] = field(default_factory=list)
    labels: list[StoredLabel] = field(default_factory=list)
    deployments: list[StoredDeployment] = field(default_factory=list)
    accounts: dict[str, int] = field(default_factory=dict)
    open_items: list[str] = field(default_factory=list)
    exported: list[tuple[str, int, int]] = field(default_factory=list)
    served: dict[str, int] = field(default_factory=dict)
    counter_differences: list[str] = field(default_factory=list)
    database_faults: list[str] = field(default_factory=list)


@dataclass
class Trace:
    """A whole run. `settings` are the seed, the database, and the like."""

    settings: dict[str, Any] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    state: FinalState = field(default_factory=FinalState)

    def of_kind(self, *kinds: str) -> Iterator[Operation]:
        """Yield the operations of some kinds in the order in which they completed."""
        return (each for each in self.operations if each.kind in kinds)


class Recorder:
    """Writes a trace while it happens; clients in any thread record into it."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._lock = path, threading.Lock()
        self._file = path.open("w")
        self._started_at = time.monotonic()
        self.counts: Counter[tuple[str, str]] = Counter()
        self._write({"settings": settings})

    @property
    def now(self) -> float:
        """The time since the start of the run, in s."""
        return time.monotonic() - self._started_at

    def add(self, operation: Operation) -> None:
        """Record an operation that has ended."""
        with self._lock:
            self.counts[operation.kind, operation.outcome] += 1
            self._write({"operation": asdict(operation)})

    def add_event(self, what: str, event: str) -> None:
        """Record what happened to a process just now."""
        with self._lock:
            self._write({"event": asdict(Event(what, event, self.now))})

    def finish(self, state: FinalState) -> None:
        """Record what was stored at the end, and close the file."""
        self._write({"state": asdict(state)})
        self._file.close()

    def count(self, kind: str) -> int:
        """Return how many operations of a kind have ended, however they ended."""
        return sum(self.counts[kind, outcome] for outcome in (OK, REJECTED, UNKNOWN))

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()


def read_trace(path: Path) -> Trace:
    """Read a trace file; one that a killed run left unfinished has an empty final state."""
    trace = Trace()
    with path.open() as file:
        for line in file:
            for key, content in json.loads(line).items():
                _add_line(trace, key, content)
    return trace


def _add_line(trace: Trace, key: str, content: dict[str, Any]) -> None:
    if key == "operation":
        trace.operations.append(Operation(**content))
    elif key == "event":
        trace.events.append(Event(**content))
    elif key == "state":
        trace.state = _state(content)
    else:
        trace.settings = content


def _state(content: dict[str, Any]) -> FinalState:
    state = FinalState(**content)
    state.predictions = {
        prediction_id: StoredPrediction(**row)
        for prediction_id, row in content["predictions"].items()
    }
    state.feedback = [StoredFeedback(**row) for row in content["feedback"]]
    state.labels = [StoredLabel(**row) for row in content["labels"]]
    state.deployments = [StoredDeployment(**row) for row in content["deployments"]]
    state.exported = [(image, digit, submitter) for image, digit, submitter in content["exported"]]
    return state
