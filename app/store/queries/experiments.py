"""Queries on experiments, their stages, and who was exposed to which version."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Dialect, bindparam, select
from sqlalchemy.orm import Session

from app.store.engine.batch_writes import BatchTransaction, CompiledStatement, insert_ignore
from app.store.queries.counters import NO_NEW_UNITS, NewUnits
from app.store.tables import Experiment, ExperimentStage, Exposure


def add(session: Session, experiment: Experiment) -> None:
    """Add an experiment; its id is known afterwards."""
    session.add(experiment)
    session.flush()


def add_stage(session: Session, experiment: Experiment, stage: ExperimentStage) -> None:
    """Divide A/B traffic anew from the commit on."""
    stage.experiment_id = experiment.id
    session.add(stage)
    session.flush()


def get(session: Session, experiment_id: int) -> Experiment | None:
    """The experiment with this id."""
    return session.get(Experiment, experiment_id)


def lock_for_update(session: Session, experiment_id: int) -> Experiment:
    """The experiment with this id as it is now; nobody else changes it before this unit ends."""
    return session.get_one(Experiment, experiment_id, with_for_update={"key_share": True})


def lock_by_stage(session: Session, stage_id: int) -> Experiment:
    """The experiment of a stage; nobody else changes it before this unit ends."""
    return lock_for_update(session, session.get_one(ExperimentStage, stage_id).experiment_id)


def get_latest(session: Session) -> Experiment | None:
    """The last experiment, running or not."""
    return session.scalar(select(Experiment).order_by(Experiment.id.desc()).limit(1))


def list_recent(session: Session, limit: int) -> Sequence[Experiment]:
    """The last experiments, the newest first."""
    return session.scalars(select(Experiment).order_by(Experiment.id.desc()).limit(limit)).all()


def get_current_stage(session: Session) -> tuple[ExperimentStage, Experiment] | None:
    """The stage that says how A/B traffic is divided now, with its experiment."""
    query = select(ExperimentStage, Experiment).join(
        Experiment, ExperimentStage.experiment_id == Experiment.id
    )
    found = session.execute(query.order_by(ExperimentStage.id.desc()).limit(1)).one_or_none()
    return None if found is None else (found[0], found[1])


def list_stages(session: Session, experiment_id: int) -> Sequence[ExperimentStage]:
    """The stages of an experiment, the first one first."""
    query = select(ExperimentStage).where(ExperimentStage.experiment_id == experiment_id)
    return session.scalars(query.order_by(ExperimentStage.id)).all()


def record_exposure(
    group: BatchTransaction, stage_id: int, unit_hash: str, version: str
) -> NewUnits:
    """Note that a user met a version in a stage; a unit where they had not met it yet."""
    met = {"stage_id": stage_id, "unit_hash": unit_hash, "version": version}
    looking, adding = _exposing(group.dialect)
    crossed = looking.first(group, met) is not None
    added = adding.first(group, met | {"crossed_over": crossed})
    return NO_NEW_UNITS if added is None else NewUnits(1, int(crossed))


@cache
def _exposing(dialect: Dialect) -> tuple[CompiledStatement, CompiledStatement]:
    """Looks for the other version in what a user met; adds what they meet, and tells if it did."""
    row = Exposure
    same = (row.stage_id == bindparam("stage_id"), row.unit_hash == bindparam("unit_hash"))
    other = select(row.version).where(*same, row.version != bindparam("version"))
    return CompiledStatement(other, dialect), insert_ignore(row, dialect, row.version)
