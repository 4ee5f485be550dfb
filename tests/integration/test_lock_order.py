"""Use cases that lock several rows lock them in one order, and do not deadlock in a storm."""

import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, event, text

from app.domain.assignment import Version
from app.domain.errors import CifraError
from app.domain.review_labels import NOT_A_DIGIT
from app.services import feedback
from app.services.accounts import users
from app.services.experiments import lifecycle
from app.services.experiments.lifecycle import ExperimentPlan
from app.services.feedback import FeedbackInput
from app.services.maintenance import counter_audit
from app.services.predictions import history, predictor
from app.services.reviews import review_queue
from app.store.engine.db import db, read_transaction
from tests.conftest import (
    Disagreements,
    bootstrapped_app,
    container_of,
    make_config,
    postgres_database,
)
from tests.support.review_data import create_submitters

ROUNDS = 8
OWNERS, REVIEWERS = 3, 3

# The order of app/store/engine/db.py, without tables whose rows only their own user locks.
ORDER = (
    "user",
    "retrain_job",
    "prediction",
    "last review",
    "review_item",
    "experiment",
    "review",
    "label_count",
    "confidence_count",
    "feedback",
    "feedback_count",
)
_WRITE = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)')
_LOCK = re.compile(
    r'FROM "?(\w+).*\sFOR (?:NO KEY |KEY )?(?:UPDATE|SHARE)(?: OF (\w+))?', re.DOTALL
)


@pytest.fixture
def app(postgres_url: str, postgres_template: str, tmp_path: Path) -> Iterator[Flask]:
    """Create an application on a PostgreSQL that looks for deadlocks at once, not after 1 s."""
    with postgres_database(postgres_url, postgres_template) as url:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            name = connection.scalar(text("SELECT current_database()"))
            connection.execute(text(f"ALTER DATABASE {name} SET deadlock_timeout = '10ms'"))
        engine.dispose()
        with bootstrapped_app(make_config(tmp_path, DATABASE_URL=url)) as app:
            yield app


def count_deadlocks(app: Flask) -> int:
    """Return how many deadlocks the server found, in transactions that were retried too."""
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with app.app_context(), read_transaction() as session:
        session.execute(text("SELECT pg_stat_force_next_flush()"))
        return int(session.scalar(text(query)) or 0)


@contextmanager
def recorded_locks() -> Iterator[list[list[str]]]:
    """Record the tables in which each transaction of the block locks rows, each table once."""
    transactions: list[list[str]] = []

    def begin(_: object) -> None:
        transactions.append([])

    def execute(_: object, __: object, statement: str, *___: object) -> None:
        locked, written = _LOCK.search(statement), _WRITE.match(statement)
        table = (locked and (locked[2] or locked[1])) or (written and written[1])
        table = "last review" if locked and table == "review" else table
        if table in ORDER and table not in transactions[-1]:
            transactions[-1].append(table)

    event.listen(db.engine, "begin", begin)
    event.listen(db.engine, "before_cursor_execute", execute)
    try:
        yield transactions
    finally:
        event.remove(db.engine, "begin", begin)
        event.remove(db.engine, "before_cursor_execute", execute)


def test_every_use_case_locks_rows_in_the_documented_order(
    app: Flask, disagreements: Disagreements
) -> None:
    storm = Storm(app, disagreements)
    for use_case in (
        storm.label,
        storm.label,
        storm.give_feedback,
        storm.give_old_feedback,
        storm.erase,
        storm.delete_account,
    ):
        with app.app_context(), recorded_locks() as transactions:
            use_case()
        for tables in filter(None, transactions):
            if use_case == storm.delete_account and "prediction" in tables:
                tables.remove("prediction")  # nobody else locks those of an account being deleted
            assert tables == sorted(tables, key=ORDER.index), use_case
            assert tables[0] == "user", use_case


class Storm:
    """Use cases on the data of a few owners, whose images wait for a few reviewers."""

    def __init__(self, app: Flask, images: Disagreements) -> None:
        self._predictor = container_of(app).predictor
        self._hasher = container_of(app).hasher
        self._images = images
        self._owners = create_submitters(app, OWNERS)
        self._reviewers = create_submitters(app, REVIEWERS, "reviewer")
        self._random = random.Random(7)
        with app.app_context():
            for owner in self._owners:
                for _ in range(10):
                    self._predict(owner)

    def predict(self) -> None:
        self._predict(self._random.choice(self._owners))

    def label(self) -> None:
        reviewer = self._random.choice(self._reviewers)
        image, _ = review_queue.next_item(reviewer)
        if image is not None:
            review_queue.submit_label(reviewer, image.prediction_id, self._random.randrange(10))
            if self._random.random() < 0.5:
                review_queue.undo_last(reviewer, image.prediction_id)

    def give_feedback(self) -> None:
        owner = self._random.choice(self._owners)
        for entry in history.list_page(owner, 3, None):
            given = FeedbackInput(digit=self._random.randrange(NOT_A_DIGIT))
            feedback.record_for_prediction(owner, entry.prediction.id, given, replace=True)

    def give_old_feedback(self) -> None:
        owner = self._random.choice(self._owners)
        feedback.record_legacy(owner, FeedbackInput(prediction=3, correct=True))

    def erase(self) -> None:
        owner = self._random.choice(self._owners)
        for entry in history.list_page(owner, 2, None):
            history.delete(owner, entry.prediction.id)

    def delete_account(self) -> None:
        name = f"temporary {self._random.random()}"
        owner = users.register(self._hasher, name, "a long password").id
        for _ in range(4):
            self._predict(owner)
        for entry in history.list_page(owner, 3, None):
            feedback.record_for_prediction(
                owner, entry.prediction.id, FeedbackInput(correct=False), replace=False
            )
        review_queue.next_item(owner)
        users.delete(owner)

    def change_experiment(self) -> None:
        with read_transaction() as session:
            experiment = lifecycle.get_latest_in(session)
        assert experiment is not None
        with suppress(CifraError):
            lifecycle.conclude(experiment.id, Version.V1)
        lifecycle.start(ExperimentPlan())

    def _predict(self, owner: int) -> None:
        split, png = lifecycle.current_split(), self._random.choice(self._images.pngs)
        predictor.predict_split(self._predictor, split, owner, png)


def repeat(app: Flask, use_case: Callable[[], None], errors: list[Exception]) -> None:
    for _ in range(ROUNDS):
        try:
            with app.app_context():
                use_case()
        except CifraError:
            pass  # somebody else was first
        except Exception as error:  # noqa: BLE001  returned
            errors.append(error)


def test_use_cases_that_lock_several_rows_never_deadlock(
    app: Flask, disagreements: Disagreements
) -> None:
    storm, errors = Storm(app, disagreements), list[Exception]()
    calls = [storm.label, storm.label, storm.give_feedback, storm.give_feedback, storm.erase]
    calls += [storm.delete_account, storm.delete_account, storm.change_experiment, storm.predict]
    threads = [threading.Thread(target=repeat, args=[app, call, errors]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert count_deadlocks(app) == 0
    with app.app_context():
        assert list(counter_audit.list_differences()) == []
