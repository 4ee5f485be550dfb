"""Queries on experiments, their stages, and which users were exposed to which version."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Dialect, bindparam, select
from sqlalchemy.orm import Session

from app.store.engine.batch_writes import BatchTransaction, CompiledStatement, insert_ignore
from app.store.queries.counters import NO_NEW_UNITS, NewUnits
from app.store.tables import Experiment, ExperimentStage, Exposure


def add(session: Session, experiment: Experiment) -> None:
    """Add an experiment and assign the id."""
    session.add(experiment)
    session.flush()


def add_stage(session: Session, experiment: Experiment, stage: ExperimentStage) -> None:
    """Add a stage; its weight splits A/B traffic from the commit on."""
    stage.experiment_id = experiment.id
    session.add(stage)
    session.flush()


def get(session: Session, experiment_id: int) -> Experiment | None:
    """Return the experiment with this id."""
    return session.get(Experiment, experiment_id)


def lock_for_update(session: Session, experiment_id: int) -> Experiment:
    """Return an experiment as it is now, and let nobody else change it in this transaction."""
    return session.get_one(Experiment, experiment_id, with_for_update={"key_share": True})


def lock_by_stage(session: Session, stage_id: int) -> Experiment:
    """Return the experiment of a stage, and let nobody else change it in this transaction."""
    return lock_for_update(session, session.get_one(ExperimentStage, stage_id).experiment_id)


def get_latest(session: Session) -> Experiment | None:
    """Return the newest experiment, running or ended."""
    return session.scalar(select(Experiment).order_by(Experiment.id.desc()).limit(1))


def list_recent(session: Session, limit: int) -> Sequence[Experiment]:
    """Return the last experiments, newest first."""
    return session.scalars(select(Experiment).order_by(Experiment.id.desc()).limit(limit)).all()


def get_current_stage(session: Session) -> tuple[ExperimentStage, Experiment] | None:
    """Return the stage that sets the current traffic split, with its experiment."""
    query = select(ExperimentStage, Experiment).join(
        Experiment, ExperimentStage.experiment_id == Experiment.id
    )
    found = session.execute(query.order_by(ExperimentStage.id.desc()).limit(1)).one_or_none()
    return None if found is None else (found[0], found[1])


def list_stages(session: Session, experiment_id: int) -> Sequence[ExperimentStage]:
    """Return the stages of an experiment, oldest first."""
    query = select(ExperimentStage).where(ExperimentStage.experiment_id == experiment_id)
    return session.scalars(query.order_by(ExperimentStage.id)).all()


def record_exposure(
    transaction: BatchTransaction, stage_id: int, unit_hash: str, version: str
) -> NewUnits:
    """Record that a user was exposed to a version in a stage; return one new unit the first time.

    The row itself decides who was first: of two concurrent inserts, one returns no row.
    """
    exposure = {"stage_id": stage_id, "unit_hash": unit_hash, "version": version}
    select_other, insert_exposure = _exposure_statements(transaction.dialect)
    crossed_over = select_other.first(transaction, exposure) is not None
    inserted = insert_exposure.first(transaction, exposure | {"crossed_over": crossed_over})
    return NO_NEW_UNITS if inserted is None else NewUnits(1, int(crossed_over))


@cache
def _exposure_statements(dialect: Dialect) -> tuple[CompiledStatement, CompiledStatement]:
    """Compile the SELECT of a user's other version, and the INSERT that returns only new rows."""
    row = Exposure
    same = (row.stage_id == bindparam("stage_id"), row.unit_hash == bindparam("unit_hash"))
    other = select(row.version).where(*same, row.version != bindparam("version"))
    return CompiledStatement(other, dialect), insert_ignore(row, dialect, row.version)
