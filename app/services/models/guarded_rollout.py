"""Guarded rollouts: after a deployment the predecessor shadows its successor on A/B traffic.

Reviewers label the images on which the two disagree. If the new model turns out worse it is rolled
back; if it is better or equivalent, the rollout is closed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.domain.assignment import Version
from app.domain.guarded_rollout import RolloutResult, evaluate, observed_gain
from app.domain.intervals import Interval
from app.services.models import registry
from app.store.engine.db import AdvisoryLock, acquire, read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import alerts, guarded_rollouts
from app.store.queries import models as model_rows
from app.store.tables import GuardedRollout

COOLDOWN = timedelta(days=1)
MAX_REQUESTS = 20_000  # shadowed in one rollout
MAX_DURATION = timedelta(days=7)  # of a rollout that has its requests and waits for labels
ROLLED_BACK = "rolled back: proved worse than its predecessor"


@dataclass(frozen=True)
class RolloutStatus:
    """A rollout; `difference` is the accuracy gained on the requests so far."""

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
    """A rollout in progress: the deployed model and the predecessor that shadows it."""

    id: int
    version: Version
    model_id: int
    predecessor_id: int


def list_recent(limit: int) -> list[RolloutStatus]:
    """Return the last rollouts, newest first."""
    with read_transaction() as session:
        return [
            _status(session, rollout) for rollout in guarded_rollouts.list_recent(session, limit)
        ]


def list_active() -> list[ActiveRollout]:
    """Return the open rollouts that still need requests."""
    with read_transaction() as session:
        return [
            ActiveRollout(
                rollout.id, Version(rollout.version), rollout.model_id, rollout.predecessor_id
            )
            for rollout in guarded_rollouts.list_active(session)
            if guarded_rollouts.count_requests(session, rollout.id) < MAX_REQUESTS
        ]


@retried
def evaluate_all() -> None:
    """Close the rollouts that are decided, and roll back models worse than their predecessors."""
    with read_transaction() as session:
        if not any(_outcome(session, rollout) for rollout in guarded_rollouts.list_active(session)):
            return
    with write_transaction() as session:
        acquire(session, AdvisoryLock.MODELS)
        for rollout in guarded_rollouts.list_active(session):
            outcome = _outcome(session, rollout)
            if outcome is not None:
                rollout.closed_at, rollout.outcome = datetime.now(UTC), outcome
                if outcome == RolloutResult.WORSE:
                    _roll_back(session, rollout)


def is_cooling_down(session: Session, version: Version) -> bool:
    """Return whether a rollback was so recent that no retrained model is deployed automatically."""
    return guarded_rollouts.exists_closed_since(
        session, version, RolloutResult.WORSE, datetime.now(UTC) - COOLDOWN
    )


def _outcome(session: Session, rollout: GuardedRollout) -> str | None:
    """Return the outcome of an open rollout; None while it is undecided."""
    requests = guarded_rollouts.count_requests(session, rollout.id)
    if not requests:
        return None
    result = evaluate(requests, guarded_rollouts.list_strata(session, rollout.id))
    is_over = requests >= MAX_REQUESTS and datetime.now(UTC) - rollout.opened_at > MAX_DURATION
    return "undecided" if result is None and is_over else result


def _roll_back(session: Session, rollout: GuardedRollout) -> None:
    version = Version(rollout.version)
    predecessor = model_rows.get_existing(session, rollout.predecessor_id)
    registry.deploy_in(session, version, predecessor, ROLLED_BACK, is_rollback=True)
    alerts.add(
        session,
        "rollback",
        f"{version} proved worse than its predecessor and was rolled back; its retrained models are"
        " not deployed automatically for a day",
    )


def _status(session: Session, rollout: GuardedRollout) -> RolloutStatus:
    requests = guarded_rollouts.count_requests(session, rollout.id)
    strata = guarded_rollouts.list_strata(session, rollout.id)
    return RolloutStatus(
        id=rollout.id,
        version=Version(rollout.version),
        model_id=rollout.model_id,
        predecessor_id=rollout.predecessor_id,
        opened_at=rollout.opened_at,
        closed_at=rollout.closed_at,
        outcome=rollout.outcome,
        requests=requests,
        disagreements=sum(stratum.disagreements for stratum in strata),
        labeled=sum(stratum.evidence.labeled for stratum in strata),
        difference=observed_gain(requests, strata),
    )
