"""Examine the database of a backup as a server would use it: its counters and its models."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import URL, create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from app.domain.errors import InvalidInput, InvalidModel
from app.services.maintenance import counter_audit
from app.services.models.digit_classifier import load_validated
from app.store.engine import sqlite_schema
from app.store.queries import models


@dataclass(frozen=True)
class Contents:
    """The rows of each table of a database, and the number of its models, all of which work."""

    rows: dict[str, int]
    models: int


def examine(database: Path) -> Contents:
    """Recount the counters and open every model of a checked and migrated database.

    Raises InvalidInput if a counter differs, a model does not work or a row cannot be read.
    """
    engine = create_engine(URL.create("sqlite", database=str(database)), poolclass=NullPool)
    try:
        with Session(engine) as session:
            differences = counter_audit.compare(session)
            broken = list(_broken_models(session))
            count = len(models.list_ids(session))
        rows = sqlite_schema.count_rows(database)
    except Exception as error:  # values that no row of Cifra has raise anything
        raise InvalidInput(f"a row cannot be read: {str(error).partition(chr(10))[0]}") from error
    if broken:
        raise InvalidInput(f"model {broken[0]} cannot serve: it is damaged or no digit classifier")
    if differences:
        raise InvalidInput(
            f"a counter differs from its rows ({len(differences)} in all, {differences[0]}):"
            " run `verify-counters --repair` after a restore"
        )
    return Contents(rows, count)


def _broken_models(session: Session) -> Iterator[int]:
    """Open every model, one at a time; yield the ids of those that do not work."""
    for model_id in models.list_ids(session):
        model = models.get_existing(session, model_id)
        try:
            load_validated(model.artifact)
        except InvalidModel:
            yield model_id
        else:
            if sha256(model.artifact).hexdigest() != model.sha256:
                yield model_id
        session.expunge(model)
