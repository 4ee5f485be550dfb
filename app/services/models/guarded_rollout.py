"""Guards: after a deployment the predecessor shadows its successor on A/B traffic.

Reviewers label pictures on which the two differ. If the new model proves worse it is rolled back;
if it proves better or as good, the guard closes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.domain.assignment import Version
from app.domain.guarded_rollout import RolloutResult, evaluate, observed_gain
from app.domain.intervals import Interval
from app.services.models import registry
from app.store.engine.db import AdvisoryLock, acquire, read_transaction, write_transaction
from app.store.queries import alerts, guarded_rollouts
from app.store.queries import models as model_rows
from app.store.tables import GuardedRollout

COOLDOWN = timedelta(days=1)
MAX_REQUESTS = 20_000  # that a guard looks at
MAX_DURATION = timedelta(days=7)  # that it then waits for labels
ROLLED_BACK = "rolled back: proved worse than its predecessor"


@dataclass(frozen=True)
class RolloutStatus:
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
    labeled: int
    difference: Interval


@dataclass(frozen=True)
class ActiveRollout:
    """An open guard: which model it guards, and which one shadows it."""

    id: int
    version: Version
    model_id: int
    predecessor_id: int


def list_recent(limit: int) -> list[RolloutStatus]:
    """The last guards, the newest first."""
    with read_transaction() as session:
        return [_status(session, guard) for guard in guarded_rollouts.list_recent(session, limit)]


def list_active() -> list[ActiveRollout]:
    """The guards that are open and have not seen enough requests yet."""
    with read_transaction() as session:
        return [
            ActiveRollout(guard.id, Version(guard.version), guard.model_id, guard.predecessor_id)
            for guard in guarded_rollouts.list_active(session)
            if guarded_rollouts.count_requests(session, guard.id) < MAX_REQUESTS
        ]


def evaluate_all() -> None:
    """Close guards that are decided; a model that proved worse than its predecessor goes back."""
    with read_transaction() as session:
        if not any(_outcome(session, guard) for guard in guarded_rollouts.list_active(session)):
            return
    with write_transaction() as session:
        acquire(session, AdvisoryLock.MODELS)
        for guard in guarded_rollouts.list_active(session):
            outcome = _outcome(session, guard)
            if outcome is not None:
                guard.closed_at, guard.outcome = datetime.now(UTC), outcome
                if outcome == RolloutResult.WORSE:
                    _roll_back(session, guard)


def is_cooling_down(session: Session, version: Version) -> bool:
    """Whether a model of this version was taken back so lately that none follows by itself."""
    return guarded_rollouts.exists_closed_since(
        session, version, RolloutResult.WORSE, datetime.now(UTC) - COOLDOWN
    )


def _outcome(session: Session, guard: GuardedRollout) -> str | None:
    """How an open guard closes now; None where it stays open."""
    requests = guarded_rollouts.count_requests(session, guard.id)
    if not requests:
        return None
    standing = evaluate(requests, guarded_rollouts.list_strata(session, guard.id))
    is_over = requests >= MAX_REQUESTS and datetime.now(UTC) - guard.opened_at > MAX_DURATION
    return "undecided" if standing is None and is_over else standing


def _roll_back(session: Session, guard: GuardedRollout) -> None:
    version = Version(guard.version)
    predecessor = model_rows.get_existing(session, guard.predecessor_id)
    registry.deploy_in(session, version, predecessor, ROLLED_BACK, is_rollback=True)
    alerts.add(
        session,
        "rollback",
        f"{version} proved worse than its predecessor and was rolled back; for a day no retrain of"
        " it goes into service by itself",
    )


def _status(session: Session, guard: GuardedRollout) -> RolloutStatus:
    requests, parts = (
        guarded_rollouts.count_requests(session, guard.id),
        guarded_rollouts.list_strata(session, guard.id),
    )
    return RolloutStatus(
        id=guard.id,
        version=Version(guard.version),
        model_id=guard.model_id,
        predecessor_id=guard.predecessor_id,
        opened_at=guard.opened_at,
        closed_at=guard.closed_at,
        outcome=guard.outcome,
        requests=requests,
        disagreements=sum(part.disagreements for part in parts),
        labeled=sum(part.evidence.labeled for part in parts),
        difference=observed_gain(requests, parts),
    )
