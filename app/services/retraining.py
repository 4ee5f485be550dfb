"""Retraining: a job is a row first; one background thread takes the open ones up in turn."""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.assignment import Version
from app.domain.errors import Conflict, NotFound
from app.store import retrains
from app.store.db import Turn, reading, take_turn, writing
from app.store.tables import RetrainJob

LOOK_EVERY_S = 5  # a job that could not be taken up, or that another process asked for
NO_TRAINER = "no trainer yet"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A retrain that was asked for, and what became of it."""

    id: int
    version: Version
    deploy: str
    status: str
    error: str | None
    created_at: datetime
    finished_at: datetime | None


def request(user_id: int, version: Version, deploy: str) -> Job:
    """Ask for a retrain. Raises Conflict while another one has not ended."""
    job = RetrainJob(
        requested_by=user_id,
        version=version,
        deploy=deploy,
        status="queued",
        created_at=datetime.now(UTC),
    )
    with writing() as session:
        take_turn(session, Turn.RETRAINS)
        under_way = retrains.find_open(session)
        if under_way is not None:
            raise Conflict(f"Retrain {under_way.id} has not ended yet")
        retrains.add(session, job)
        return _job(job)


def find(job_id: int) -> Job:
    """A retrain by its id. Raises NotFound."""
    with reading() as session:
        job = retrains.find(session, job_id)
        if job is None:
            raise NotFound("There is no such retrain")
        return _job(job)


def newest(limit: int) -> list[Job]:
    """The last retrains, the newest first."""
    with reading() as session:
        return [_job(job) for job in retrains.newest(session, limit)]


def run_next() -> bool:
    """Take the oldest open job up and end it; tells whether there was one."""
    with reading() as session:
        if retrains.find_open(session) is None:
            return False
    with writing() as session:
        take_turn(session, Turn.RETRAINS)
        job = retrains.find_open(session)
        if job is None:
            return False
        job.status, job.error, job.finished_at = "failed", NO_TRAINER, datetime.now(UTC)
    return True


class Supervisor:
    """The background thread that takes open jobs up, in an application context of its own.

    Started by the first `wake` in this process, so that no thread is lost in a fork.
    """

    def __init__(self, context: Callable[[], AbstractContextManager[object]]) -> None:
        self._context = context
        self._starting = threading.Lock()
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Have open jobs looked for soon; returns at once."""
        self._awake.set()
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="retrain", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while True:
            self._awake.wait(timeout=LOOK_EVERY_S)
            self._awake.clear()
            try:
                with self._context():
                    while run_next():
                        pass
            except Exception:  # noqa: BLE001  the outermost frame of this thread
                _log.exception("a retrain job could not be taken up")


def _job(row: RetrainJob) -> Job:
    return Job(
        id=row.id,
        version=Version(row.version),
        deploy=row.deploy,
        status=row.status,
        error=row.error,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
