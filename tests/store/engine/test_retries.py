"""Use cases run again after a deadlock or on a lost connection, and take effect exactly once."""

import ast
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.services.notifications import alerts
from app.store.engine.batch_writes import BatchTransaction
from app.store.engine.database_errors import is_conflict
from app.store.engine.db import read_transaction, write_transaction
from app.store.engine.retries import MAX_ATTEMPTS, retried
from tests.conftest import bootstrapped_app, container_of, make_config, postgres_database
from tests.support.server_process import ROOT

ADD_ROWS = text(
    "INSERT INTO latency_count (worker, version, bucket, served)"
    " VALUES (0, 'v1', 1, 0), (0, 'v1', 2, 0)"
)
ADD = "UPDATE latency_count SET served = served + 1 WHERE bucket = {}"


@pytest.fixture
def app(postgres_url: str, postgres_template: str, tmp_path: Path) -> Iterator[Flask]:
    with (
        postgres_database(postgres_url, postgres_template) as url,
        bootstrapped_app(make_config(tmp_path, DATABASE_URL=url)) as app,
    ):
        with app.app_context(), write_transaction() as session:
            session.execute(ADD_ROWS)
        yield app


def served(app: Flask) -> list[int]:
    with app.app_context(), read_transaction() as session:
        return list(session.scalars(text("SELECT served FROM latency_count ORDER BY bucket")))


class Meeting:
    """Lets two transactions wait for each other once: each holds a row before asking for one."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2, timeout=60)
        self.one_has_ended = threading.Event()
        self.attempts = 0

    def begin(self) -> None:
        """Let the other transaction end before a retry, which may deadlock with it again."""
        if self.attempts >= 2:
            assert self.one_has_ended.wait(60)

    def meet(self) -> None:
        """Wait for the other transaction, in the first attempt of each."""
        self.attempts += 1
        if self.attempts <= 2:
            self._barrier.wait()


def run_both(app: Flask, meeting: Meeting, *calls: Callable[[], None]) -> list[Exception]:
    """Run calls in threads; return what they raised."""
    errors: list[Exception] = []

    def run(call: Callable[[], None]) -> None:
        try:
            with app.app_context():
                call()
        except Exception as error:  # noqa: BLE001  returned
            errors.append(error)
        finally:
            meeting.one_has_ended.set()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def deadlocking(meeting: Meeting) -> Callable[[int, int], None]:
    """Return a use case that locks two rows in the order of its arguments."""

    def add_to_both(first: int, second: int) -> None:
        meeting.begin()
        with write_transaction() as session:
            session.execute(text(ADD.format(first)))
            meeting.meet()
            session.execute(text(ADD.format(second)))

    return add_to_both


def test_a_deadlock_is_retried_and_both_take_effect_once(app: Flask) -> None:
    meeting = Meeting()
    use_case = retried(deadlocking(meeting))
    assert run_both(app, meeting, lambda: use_case(1, 2), lambda: use_case(2, 1)) == []
    assert served(app) == [2, 2]
    assert meeting.attempts == 3


def test_without_retries_one_of_two_deadlocked_transactions_fails(app: Flask) -> None:
    meeting = Meeting()
    use_case = deadlocking(meeting)
    (error,) = run_both(app, meeting, lambda: use_case(1, 2), lambda: use_case(2, 1))
    assert isinstance(error, DBAPIError)
    assert is_conflict(error)
    assert served(app) == [1, 1]


def test_a_batch_write_retries_a_deadlock(app: Flask) -> None:
    meeting = Meeting()

    def work(transaction: BatchTransaction) -> None:
        meeting.begin()
        transaction.cursor.execute(ADD.format(1))
        meeting.meet()
        transaction.cursor.execute(ADD.format(2))

    use_case, writer = retried(deadlocking(meeting)), container_of(app).batch_writer
    assert run_both(app, meeting, lambda: writer.write(work), lambda: use_case(2, 1)) == []
    assert served(app) == [2, 2]
    assert meeting.attempts == 3


class Failing:
    """A use case that adds to a row and fails in some way before or after its commit."""

    def __init__(self, statement: str, failures: int) -> None:
        self._statement, self._failures = statement, failures
        self.attempts = 0

    def fail(self, session: Session) -> None:
        """Fail, in the first attempts."""
        self.attempts += 1
        if self.attempts <= self._failures:
            session.execute(text(self._statement))

    @retried
    def before_commit(self) -> None:
        with write_transaction() as session:
            session.execute(text(ADD.format(1)))
            self.fail(session)

    @retried
    def after_commit(self) -> None:
        with write_transaction() as session:
            session.execute(text(ADD.format(1)))
        with read_transaction() as session:
            self.fail(session)


SERIALIZATION = "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"
TERMINATE = "SELECT pg_terminate_backend(pg_backend_pid())"
READ_ONLY = "DO $$ BEGIN RAISE SQLSTATE '25006'; END $$"
MISTAKE = "SELECT no_such_column FROM latency_count"


@pytest.mark.parametrize(
    ("statement", "failures"),
    [(SERIALIZATION, 1), (SERIALIZATION, MAX_ATTEMPTS - 1), (TERMINATE, 1), (READ_ONLY, 1)],
)
def test_what_was_rolled_back_is_repeated(app: Flask, statement: str, failures: int) -> None:
    failing = Failing(statement, failures)
    with app.app_context():
        failing.before_commit()
    assert (served(app)[0], failing.attempts) == (1, failures + 1)


@pytest.mark.parametrize(
    ("statement", "attempts"),
    [(SERIALIZATION, MAX_ATTEMPTS), (TERMINATE, 2), (READ_ONLY, 2), (MISTAKE, 1)],
)
def test_attempts_are_bounded(app: Flask, statement: str, attempts: int) -> None:
    failing = Failing(statement, failures=100)
    with app.app_context(), pytest.raises(DBAPIError):
        failing.before_commit()
    assert (served(app)[0], failing.attempts) == (0, attempts)


@pytest.mark.parametrize("statement", [SERIALIZATION, TERMINATE])
def test_nothing_is_repeated_after_a_commit(app: Flask, statement: str) -> None:
    failing = Failing(statement, failures=1)
    with app.app_context(), pytest.raises(DBAPIError):
        failing.after_commit()
    assert (served(app)[0], failing.attempts) == (1, 1)


def test_a_use_case_inside_another_is_repeated_by_the_outer_one_only(app: Flask) -> None:
    failing = Failing(SERIALIZATION, failures=100)
    with app.app_context(), pytest.raises(DBAPIError):
        retried(failing.before_commit)()
    assert failing.attempts == MAX_ATTEMPTS


def test_a_connection_that_a_restart_closed_in_a_transaction_is_replaced(app: Flask) -> None:
    def work(transaction: BatchTransaction) -> None:
        failing.append(len(failing))
        transaction.cursor.execute(ADD.format(1))
        if len(failing) == 1:
            transaction.cursor.execute(TERMINATE)

    failing: list[int] = []
    with app.app_context():
        container_of(app).batch_writer.write(work)
        alerts.create("test", "on another connection")
    assert (served(app)[0], len(failing)) == (1, 2)


def test_every_use_case_that_writes_is_retried() -> None:
    missing = []
    for path in (ROOT / "app" / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and _opens_write_transaction(node):
                decorators = {getattr(each, "id", None) for each in node.decorator_list}
                missing += [] if "retried" in decorators else [f"{path.name}: {node.name}"]
    assert missing == []


def _opens_write_transaction(function: ast.FunctionDef) -> bool:
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(getattr(called, "id", None) == "write_transaction" for called in calls)
