"""Readiness: whether this process can answer requests at the moment."""

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.domain.errors import Unavailable
from app.services.models.inference import InferenceService
from app.store.engine.db import read_transaction


def check(inference: InferenceService) -> None:
    """Raise Unavailable if the database does not answer or a model cannot be loaded."""
    try:
        with read_transaction() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        raise Unavailable("The database does not answer") from error
    inference.reload()
