"""Guards: after a deployment the predecessor shadows its successor on A/B traffic.

Reviewers label pictures on which the two differ. If the new model proves worse it is rolled back;
if it proves better or as good, the guard closes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.domain.assignment import Version
from app.domain.guarded_rollout import Standing, judge, so_far
from app.domain.intervals import Interval
from app.services.models import registry
from app.store.engine.db import Turn, reading, take_turn, writing
from app.store.queries import alerts, guarded_rollouts
from app.store.queries import models as model_rows
from app.store.tables import GuardedRollout

COOL_DOWN = timedelta(days=1)
MOST_REQUESTS = 20_000  # that a guard looks at
LONGEST = timedelta(days=7)  # that it then waits for labels
TAKEN_BACK = "rolled back: proved worse than its predecessor"


@dataclass(frozen=True)
class Watched:
    """A guard as it is; the difference is what accuracy was gained on the requests so far."""

    id: int
    version: Version
    model_id: int
    predecessor_id: int
    opened_at: datetime
    closed_at: datetime | None
    outcome: str | None
    requests: int
    disagreements: int
    labelled: int
    difference: Interval


@dataclass(frozen=True)
class Open:
    """An open guard: which model it guards, and which one shadows it."""

    id: int
    version: Version
    model_id: int
    predecessor_id: int


def newest(limit: int) -> list[Watched]:
    """The last guards, the newest first."""
    with reading() as session:
        return [_watched(session, guard) for guard in guarded_rollouts.newest(session, limit)]


def open_now() -> list[Open]:
    """The guards that are open and have not seen enough requests yet."""
    with reading() as session:
        return [
            Open(guard.id, Version(guard.version), guard.model_id, guard.predecessor_id)
            for guard in guarded_rollouts.open_guards(session)
            if guarded_rollouts.requests(session, guard.id) < MOST_REQUESTS
        ]


def watch() -> None:
    """Close guards that are decided; a model that proved worse than its predecessor goes back."""
    with reading() as session:
        if not any(_decided(session, guard) for guard in guarded_rollouts.open_guards(session)):
            return
    with writing() as session:
        take_turn(session, Turn.MODELS)
        for guard in guarded_rollouts.open_guards(session):
            outcome = _decided(session, guard)
            if outcome is not None:
                guard.closed_at, guard.outcome = datetime.now(UTC), outcome
                if outcome == Standing.WORSE:
                    _take_back(session, guard)


def is_cooling_down(session: Session, version: Version) -> bool:
    """Whether a model of this version was taken back so lately that none follows by itself."""
    return guarded_rollouts.closed_since(
        session, version, Standing.WORSE, datetime.now(UTC) - COOL_DOWN
    )


def _decided(session: Session, guard: GuardedRollout) -> str | None:
    """How an open guard closes now; None where it stays open."""
    requests = guarded_rollouts.requests(session, guard.id)
    if not requests:
        return None
    standing = judge(requests, guarded_rollouts.parts(session, guard.id))
    is_over = requests >= MOST_REQUESTS and datetime.now(UTC) - guard.opened_at > LONGEST
    return "undecided" if standing is None and is_over else standing


def _take_back(session: Session, guard: GuardedRollout) -> None:
    version = Version(guard.version)
    predecessor = model_rows.held(session, guard.predecessor_id)
    registry.put_into_service(session, version, predecessor, TAKEN_BACK, is_rollback=True)
    alerts.add(
        session,
        "rollback",
        f"{version} proved worse than its predecessor and was rolled back; for a day no retrain of"
        " it goes into service by itself",
    )


def _watched(session: Session, guard: GuardedRollout) -> Watched:
    requests, parts = (
        guarded_rollouts.requests(session, guard.id),
        guarded_rollouts.parts(session, guard.id),
    )
    return Watched(
        id=guard.id,
        version=Version(guard.version),
        model_id=guard.model_id,
        predecessor_id=guard.predecessor_id,
        opened_at=guard.opened_at,
        closed_at=guard.closed_at,
        outcome=guard.outcome,
        requests=requests,
        disagreements=sum(part.disagreements for part in parts),
        labelled=sum(part.evidence.labelled for part in parts),
        difference=so_far(requests, parts),
    )
