"""Readiness: whether this process can answer requests at the moment."""

from sqlalchemy.exc import SQLAlchemyError

from app.domain.errors import Unavailable
from app.services.models.inference import InferenceService
from app.services.monitoring.disk_monitor import DiskMonitor
from app.store.engine.database_errors import describe
from app.store.engine.database_file import DatabaseFile, DatabaseFileGone
from app.store.engine.db import read_transaction
from app.store.engine.writability import find_obstacle


def check(
    inference: InferenceService, database_file: DatabaseFile | None, disk_monitor: DiskMonitor
) -> None:
    """Raise Unavailable if rows cannot be read or written, or the disk or a model is not fit."""
    try:
        if database_file is not None:
            database_file.require_in_place()
        with read_transaction() as session:
            obstacle = find_obstacle(session)
        inference.reload()
    except (SQLAlchemyError, DatabaseFileGone) as error:
        failure = describe(error)
        if failure is None:
            raise
        raise Unavailable(failure.summary) from error
    if obstacle is not None:
        raise Unavailable(obstacle)
    disk_monitor.require_space()
