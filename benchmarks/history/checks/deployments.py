"""Deployments: stored once and in order, and every answer from a model that was in service."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.history.findings import DUPLICATE, LOST, STALE, WRONG_VALUE, Finding
from benchmarks.history.timeline import Timeline
from benchmarks.history.trace import OK, UNKNOWN, Operation, StoredDeployment, Trace

DEFAULT_STALENESS_S = 10.0  # promised are 2 s, on a machine that is not busy
BUNDLED = "bundled"
MAX_LISTED = 100


@dataclass(frozen=True)
class Service:
    """A period in which a model may have served a version.

    It may have begun with the request of its deployment, and was over once a later deployment was
    acknowledged, which took `loading_s`: other processes load the later model too.
    """

    model: str
    earliest: float
    latest: float
    loading_s: float
    operations: tuple[Operation, ...]


def check_rows(trace: Trace, _: Timeline) -> Iterator[Finding]:
    """Compare the rows with the acknowledged deployments and rollbacks."""
    rows = {row.id: row for row in trace.state.deployments}
    claimed: dict[int, Operation] = {}
    for each in trace.of_kind("deploy", "rollback"):
        if each.outcome != OK:
            continue
        row = rows.get(each.answer["id"])
        what = f"deployment {each.answer['id']} of {each.request['version']}"
        if row is None:
            yield Finding(LOST, what, "a row, because it was acknowledged", "no row", [each])
        elif row.id in claimed:
            found = "acknowledged to two requests"
            yield Finding(DUPLICATE, what, "an id of its own", found, [claimed[row.id], each])
        elif _signature(row) != _expected_signature(each):
            expected, found = (str(_expected_signature(each)), str(_signature(row)))
            yield Finding(WRONG_VALUE, what, expected, found, [each])
        if row is not None:
            claimed[row.id] = each
    for row, operation in _assign(trace):
        if operation is None and row.reason != BUNDLED:
            what = f"deployment {row.id} of {row.model} as {row.version}"
            yield Finding(DUPLICATE, what, "a request for it", "no request that fits it")


def check_lists(trace: Trace, _: Timeline) -> Iterator[Finding]:
    """Require that an admin's list, newest first, has the deployments acknowledged before it."""
    made = [each for each in trace.of_kind("deploy", "rollback") if each.outcome == OK]
    for listing in trace.of_kind("list_deployments"):
        listed = listing.answer.get("ids", [])
        for each in made:
            is_due = listing.outcome == OK and each.completed <= listing.invoked
            is_in_range = len(listed) < MAX_LISTED or each.answer["id"] >= listed[-1]
            if is_due and is_in_range and each.answer["id"] not in listed:
                what = f"deployment {each.answer['id']} in an admin's list"
                expected = "listed, because it was acknowledged before"
                yield Finding(LOST, what, expected, "not listed", [each, listing])


def _signature(row: StoredDeployment) -> tuple[str, str, bool]:
    return row.version, row.model, row.is_rollback


def _expected_signature(operation: Operation) -> tuple[str, str, bool]:
    model = operation.answer.get("model") or operation.request.get("model") or ""
    return operation.request["version"], model, operation.kind == "rollback"


def _assign(trace: Trace) -> list[tuple[StoredDeployment, Operation | None]]:
    """Return each row, in order, with its request: by id, or else one without a response."""
    by_id = {
        each.answer["id"]: each
        for each in trace.of_kind("deploy", "rollback")
        if each.outcome == OK
    }
    unknown = [each for each in trace.of_kind("deploy", "rollback") if each.outcome == UNKNOWN]
    assigned: list[tuple[StoredDeployment, Operation | None]] = []
    for row in sorted(trace.state.deployments, key=lambda each: each.id):
        operation = by_id.get(row.id)
        if operation is None and row.reason != BUNDLED:
            operation = next((each for each in unknown if _fits(each, row)), None)
            if operation is not None:
                unknown.remove(operation)
        assigned.append((row, operation))
    return assigned


def _fits(operation: Operation, row: StoredDeployment) -> bool:
    if operation.kind == "rollback":
        return row.is_rollback and operation.request["version"] == row.version
    return _expected_signature(operation) == _signature(row)


def list_services(trace: Trace) -> dict[str, list[Service]]:
    """Return for each version the periods of its models, oldest first."""
    rows: dict[str, list[tuple[StoredDeployment, Operation | None]]] = defaultdict(list)
    for row, operation in _assign(trace):
        rows[row.version].append((row, operation))
    return {version: _services(of_version) for version, of_version in rows.items()}


def _services(rows: Sequence[tuple[StoredDeployment, Operation | None]]) -> list[Service]:
    services = []
    latest, loading_s, successor = math.inf, 0.0, None
    for row, operation in reversed(rows):
        known = tuple(each for each in (operation, successor) if each is not None)
        earliest = -math.inf if operation is None else operation.invoked
        services.append(Service(row.model, earliest, latest, loading_s, known))
        if operation is not None and operation.latest < latest:
            latest, successor = operation.latest, operation
            loading_s = operation.completed - operation.invoked
    return services[::-1]


def staleness_s(services: Sequence[Service], prediction: Operation) -> float:
    """Return for how long the model of an answer had certainly been replaced, in s.

    Infinity if the model was not deployed before the answer at all.
    """
    return min(
        (
            max(0.0, prediction.invoked - service.latest)
            for service in services
            if service.model == prediction.answer["model"]
            and service.earliest <= prediction.completed
        ),
        default=math.inf,
    )


def longest_staleness_s(trace: Trace) -> float:
    """Return the longest time that a replaced model still answered, in s."""
    services = list_services(trace)
    return max(
        (staleness_s(services.get(made.answer["version"], []), made) for made in _answers(trace)),
        default=0.0,
    )


def _answers(trace: Trace) -> Iterator[Operation]:
    return (each for each in trace.of_kind("predict") if each.outcome == OK)


def check_served_models(trace: Trace, _: Timeline) -> Iterator[Finding]:
    """Require of each answer a model that was in service while it was computed."""
    limit_s = trace.settings.get("staleness_s", DEFAULT_STALENESS_S)
    services = list_services(trace)
    for made in _answers(trace):
        version, model = made.answer["version"], made.answer["model"]
        stale_s = staleness_s(services.get(version, []), made)
        if model not in _permitted(services.get(version, []), made, limit_s):
            of_model = _nearest(services.get(version, []), made)
            past = f"{model}, which was replaced {stale_s:.1f} s before the request"
            yield Finding(
                STALE,
                f"prediction {made.answer['id']} by {version}",
                _in_service(services.get(version, []), made, limit_s),
                past if of_model else f"{model}, which was not deployed as {version} until then",
                [*(of_model.operations if of_model else ()), made],
            )


def _nearest(services: Sequence[Service], made: Operation) -> Service | None:
    """Return the last period before an answer in which its model may have served."""
    before = [
        each
        for each in services
        if each.model == made.answer["model"] and each.earliest <= made.completed
    ]
    return max(before, key=lambda each: each.latest, default=None)


def _in_service(services: Sequence[Service], made: Operation, limit_s: float) -> str:
    models = sorted(_permitted(services, made, limit_s))
    return f"a model in service then: {', '.join(models) or 'none'}"


def _permitted(services: Sequence[Service], made: Operation, limit_s: float) -> set[str]:
    """Return the models that may have answered a request."""
    return {
        each.model
        for each in services
        if each.earliest <= made.completed
        and made.invoked - each.latest <= limit_s + each.loading_s
    }
