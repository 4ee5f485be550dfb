"""Applications with a fault planted on purpose, to show that the checker finds it.

Only `python -m benchmarks.history --plant FAULT` starts one, by naming `create_app` to gunicorn.
"""

import itertools
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import update

from app.factory import create_app as create_sound_app
from app.services.models.inference import InferenceService
from app.services.predictions import history
from app.store.engine.batch_writes import BatchTransaction, BatchWriter
from app.store.engine.db import read_transaction, write_transaction
from app.store.tables import Prediction
from config import Config

EVERY_COMMIT, EVERY_ERASURE = 50, 5
RESURRECTION_DELAY_S = 0.5


def create_app(planted: str) -> Flask:
    """Create an application with a fault. Raises KeyError for an unknown one."""
    PLANTED[planted]()
    return create_sound_app(Config.from_env())


class _NotCommitted(Exception):
    """Carries the result of a transaction that is rolled back."""

    def __init__(self, result: Any) -> None:
        self.result = result


def _drop_commits() -> None:
    """Acknowledge one batch write in fifty that was rolled back."""
    write, numbers = BatchWriter.write, itertools.count(1)

    def write_or_not(writer: BatchWriter, work: Callable[[BatchTransaction], Any]) -> Any:
        if next(numbers) % EVERY_COMMIT:
            return write(writer, work)

        def work_for_nothing(transaction: BatchTransaction) -> Any:
            raise _NotCommitted(work(transaction))

        try:
            return write(writer, work_for_nothing)
        except _NotCommitted as dropped:
            return dropped.result

    BatchWriter.write = write_or_not  # type: ignore[method-assign]


def _keep_models() -> None:
    """Have each worker serve the models with which it started, whatever is deployed."""
    reload = InferenceService.reload

    def reload_once(inference: InferenceService) -> None:
        if not inference.serving:
            reload(inference)

    InferenceService.reload = reload_once  # type: ignore[method-assign]


def _resurrect_erasures() -> None:
    """Restore one erased prediction in five a moment after its erasure."""
    delete, numbers = history.delete, itertools.count(1)

    def delete_for_a_moment(user_id: int, prediction_id: UUID) -> None:
        with read_transaction() as session:
            row = session.get(Prediction, prediction_id)
            image = None if row is None else row.digit_image
        delete(user_id, prediction_id)
        if next(numbers) % EVERY_ERASURE == 0:
            app = current_app._get_current_object()  # type: ignore[attr-defined]
            arguments = (app, user_id, prediction_id, image)
            threading.Timer(RESURRECTION_DELAY_S, restore, arguments).start()

    def restore(app: Flask, user_id: int, prediction_id: UUID, image: bytes | None) -> None:
        row = update(Prediction).where(Prediction.id == prediction_id)
        with app.app_context(), write_transaction() as session:
            session.execute(row.values(user_id=user_id, digit_image=image))

    history.delete = delete_for_a_moment


PLANTED: dict[str, Callable[[], None]] = {
    "dropped-commit": _drop_commits,
    "stale-model": _keep_models,
    "resurrected-erasure": _resurrect_erasures,
}
