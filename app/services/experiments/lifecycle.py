"""The life of an experiment: one runs at a time, and its last stage sets the traffic split."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.domain.assignment import AssignmentUnit, TrafficSplit, Version
from app.domain.errors import Conflict, NotFound, Unavailable
from app.domain.verdicts import Outcome, is_mismatch
from app.services.experiments import evaluation
from app.services.experiments.evaluation import Evaluation
from app.store.engine.db import AdvisoryLock, acquire, read_transaction, write_transaction
from app.store.engine.retries import retried
from app.store.queries import counters, experiments, models
from app.store.tables import Experiment, ExperimentStage

DEFAULT_WEIGHT = 0.5
DEFAULT_RAMP_UNITS = 500

_UNKNOWN = "There is no such experiment"
_ENDED = "This experiment has ended"


@dataclass(frozen=True)
class ExperimentPlan:
    """How an experiment splits A/B traffic: at a fixed weight, or up a ramp of weights.

    The next step of a ramp starts after `ramp_units` units were assigned in the previous one.
    """

    weight: float = DEFAULT_WEIGHT
    unit: AssignmentUnit = AssignmentUnit.REQUEST
    ramp: tuple[float, ...] = ()
    ramp_units: int = DEFAULT_RAMP_UNITS


@dataclass(frozen=True)
class StageSummary:
    """A period with one weight, and why it started."""

    weight: float
    reason: str
    started_at: datetime


@dataclass(frozen=True)
class ExperimentSummary:
    """An experiment with its stages and its evaluation."""

    id: int
    unit: AssignmentUnit
    ramp: tuple[float, ...]
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    winner: Version | None
    winner_at: datetime | None
    stages: tuple[StageSummary, ...]
    evaluation: Evaluation


@retried
def ensure_started() -> None:
    """Start the first experiment, with equal weights, if there has never been one."""
    with write_transaction() as session:
        acquire(session, AdvisoryLock.EXPERIMENTS)
        if experiments.get_latest(session) is None:
            _create(session, ExperimentPlan(), "first start")


@retried
def start(plan: ExperimentPlan) -> ExperimentSummary:
    """Start an experiment. Raise Conflict while another one runs."""
    with write_transaction() as session:
        acquire(session, AdvisoryLock.EXPERIMENTS)
        if _get_running(session) is not None:
            raise Conflict("An experiment is running; stop or conclude it first")
        return _summarize(session, _create(session, plan, "started"))


@retried
def stop(experiment_id: int) -> ExperimentSummary:
    """End an experiment; A/B traffic keeps its last weight. Raise NotFound, Conflict."""
    with write_transaction() as session:
        acquire(session, AdvisoryLock.EXPERIMENTS)
        experiment = _require_running(session, experiment_id)
        _end(experiment, "stopped")
        return _summarize(session, experiment)


@retried
def conclude(experiment_id: int, winner: Version | None) -> ExperimentSummary:
    """End an experiment and give all A/B traffic to the winner; the loser becomes the shadow.

    Without a `winner` it is the one of the verdict. Raise NotFound; Conflict if the experiment has
    ended, or if neither `winner` nor the verdict names one.
    """
    with write_transaction() as session:
        acquire(session, AdvisoryLock.EXPERIMENTS)
        experiment = _require_running(session, experiment_id)
        if winner is None:
            outcome = evaluation.evaluate(session, experiment).verdict.outcome
            if outcome not in {Outcome.V1, Outcome.V2}:
                raise Conflict(f"The verdict is {outcome}; name the winner")
            winner = Version(outcome)
        weight = 1.0 if winner is Version.V2 else 0.0
        _end(experiment, "concluded")
        _start_stage(session, experiment, weight, f"concluded for {winner}")
        return _summarize(session, experiment)


def restart_after_deployment(session: Session) -> None:
    """End the running experiment, whose models changed, and start one with the same plan.

    Call it in the transaction that deploys. Do nothing if no experiment is running.
    """
    acquire(session, AdvisoryLock.EXPERIMENTS)
    experiment = _get_running(session)
    if experiment is None:
        return
    weight = experiments.list_stages(session, experiment.id)[-1].weight
    _end(experiment, "deployment")
    plan = ExperimentPlan(
        weight, AssignmentUnit(experiment.unit), tuple(experiment.ramp), experiment.ramp_units
    )
    _create(session, plan, "deployment")


def get(experiment_id: int) -> ExperimentSummary:
    """Return an experiment. Raise NotFound."""
    with read_transaction() as session:
        experiment = experiments.get(session, experiment_id)
        if experiment is None:
            raise NotFound(_UNKNOWN)
        return _summarize(session, experiment)


def get_latest_in(session: Session) -> ExperimentSummary | None:
    """Return the newest experiment, running or not, in the caller's transaction."""
    experiment = experiments.get_latest(session)
    return None if experiment is None else _summarize(session, experiment)


def list_recent(limit: int) -> list[ExperimentSummary]:
    """Return the last experiments, the newest first."""
    with read_transaction() as session:
        return [
            _summarize(session, experiment)
            for experiment in experiments.list_recent(session, limit)
        ]


def current_split() -> TrafficSplit:
    """Return the current traffic split. Raise Unavailable before the first experiment."""
    with read_transaction() as session:
        found = experiments.get_current_stage(session)
    if found is None:
        raise Unavailable("No experiment has been started")
    stage, experiment = found
    unit = AssignmentUnit(experiment.unit)
    if experiment.ended_at is not None:
        return TrafficSplit(stage.weight, unit, experiment.salt)
    model_ids = (experiment.v1_model_id, experiment.v2_model_id)
    return TrafficSplit(stage.weight, unit, experiment.salt, stage.id, experiment.id, model_ids)


@retried
def advance() -> None:
    """Advance the running experiment: void it on a sample ratio mismatch, and move its ramp.

    A ramp takes its next step when that is due; it rolls back to v1 alone on a sample ratio
    mismatch or a verdict against v2.
    """
    with read_transaction() as session:
        if _next_stage_change(session) is None:
            return
    with write_transaction() as session:
        acquire(session, AdvisoryLock.EXPERIMENTS)
        change, experiment = _next_stage_change(session), _get_running(session)
        if change is None or experiment is None:
            return
        if change.voids:
            experiment.voided_at = datetime.now(UTC)
        if change.weight is not None:
            _start_stage(session, experiment, change.weight, change.reason)


@dataclass(frozen=True)
class _StageChange:
    """What to change of the running experiment; without a weight its stage continues."""

    weight: float | None
    reason: str
    voids: bool = False


def _next_stage_change(session: Session) -> _StageChange | None:
    experiment = _get_running(session)
    if experiment is None:
        return None
    stages = experiments.list_stages(session, experiment.id)
    traffic_counts, weight = counters.list_traffic(session), stages[-1].weight
    is_ramping = bool(experiment.ramp) and weight > 0
    if experiment.voided_at is None and is_mismatch(
        evaluation.mismatch_log_e_value(stages, traffic_counts)
    ):
        return _StageChange(
            0.0 if is_ramping else None, "rolled back: sample ratio mismatch", voids=True
        )
    if not is_ramping:
        return None
    if evaluation.evaluate(session, experiment).verdict.outcome is Outcome.V1:
        return _StageChange(0.0, "rolled back: v1 is better")
    units = sum(count.assigned_units for count in traffic_counts if count.stage_id == stages[-1].id)
    higher = next((step for step in experiment.ramp if step > weight), None)
    if higher is None or units < experiment.ramp_units:
        return None
    return _StageChange(higher, "ramp")


def _get_running(session: Session) -> Experiment | None:
    latest = experiments.get_latest(session)
    return latest if latest and latest.ended_at is None else None


def _require_running(session: Session, experiment_id: int) -> Experiment:
    experiment = experiments.get(session, experiment_id)
    if experiment is None:
        raise NotFound(_UNKNOWN)
    if experiment.ended_at is not None:
        raise Conflict(_ENDED)
    return experiment


def _create(session: Session, plan: ExperimentPlan, reason: str) -> Experiment:
    """Create an experiment with its first stage. Raise Unavailable if a version has no model."""
    serving = {version: models.get_deployed(session, version) for version in Version}
    v1, v2 = serving[Version.V1], serving[Version.V2]
    if v1 is None or v2 is None:
        raise Unavailable("Both versions need a model before they can be compared")
    experiment = Experiment(
        v1_model_id=v1.id,
        v2_model_id=v2.id,
        unit=plan.unit,
        salt=secrets.token_hex(16),
        ramp=list(plan.ramp),
        ramp_units=plan.ramp_units,
        started_at=datetime.now(UTC),
    )
    experiments.add(session, experiment)
    _start_stage(session, experiment, plan.ramp[0] if plan.ramp else plan.weight, reason)
    return experiment


def _start_stage(session: Session, experiment: Experiment, weight: float, reason: str) -> None:
    stage = ExperimentStage(weight=weight, reason=reason, started_at=datetime.now(UTC))
    experiments.add_stage(session, experiment, stage)


def _end(experiment: Experiment, reason: str) -> None:
    experiment.ended_at, experiment.end_reason = datetime.now(UTC), reason


def _summarize(session: Session, experiment: Experiment) -> ExperimentSummary:
    evaluated = evaluation.evaluate(session, experiment)
    return ExperimentSummary(
        id=experiment.id,
        unit=AssignmentUnit(experiment.unit),
        ramp=tuple(experiment.ramp),
        started_at=experiment.started_at,
        ended_at=experiment.ended_at,
        end_reason=experiment.end_reason,
        winner=None if experiment.winner is None else Version(experiment.winner),
        winner_at=experiment.winner_at,
        stages=tuple(
            StageSummary(stage.weight, stage.reason, stage.started_at) for stage in evaluated.stages
        ),
        evaluation=evaluated,
    )
