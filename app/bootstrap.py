"""Startup: create what the first request needs: tables, deployed models and an admin."""

import ctypes
import fcntl
import gc
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app.api.http.container import container
from app.domain.errors import CifraError, Conflict, InvalidInput, Unavailable
from app.services.accounts import users
from app.services.accounts.passwords import PasswordHasher
from app.services.experiments import lifecycle
from app.services.maintenance import private_files
from app.services.models import registry
from app.store.engine import migration_state
from app.store.engine.database_errors import describe
from app.store.engine.database_file import DatabaseFile
from app.store.engine.db import enable_timeouts
from config import NEW_INSTALLATION, ROOT, Config

ADMIN_FILE = "admin_password"
START_LOCK = "start.lock"

_M_MMAP_THRESHOLD = -3  # of malloc.h


def start(app: Flask, is_stopping: Callable[[], bool]) -> str:
    """Prepare an application, load its models and start its background threads.

    For the process that serves, before its first request. `is_stopping` tells whether the server is
    about to stop. Return a line about the admin; raise CifraError if it cannot serve.
    """
    _return_large_blocks()
    with app.app_context():
        components = container()
        components.shutdown_notice.is_stopping = is_stopping
        mark_as_serving(components.config.data_dir)
        admin = prepare(components.config, components.hasher)
        enable_timeouts()
        with _one_line_errors(components.config):
            components.inference.reload()
        components.decoder_pool.start()
        components.housekeeping.trigger()
        components.notify_retrain_worker()
        components.retention_worker.trigger()
        components.mail_worker.trigger()
    gc.collect()
    gc.freeze()  # what exists now stays for good, so the collector need not scan it again
    gc.enable()
    return admin


def prepare(config: Config, hasher: PasswordHasher, *, new_database: bool = False) -> str:
    """Migrate the database and create what a first start needs; safe to run at each start.

    Needs an application context. Return a line about the admin: who it is, where the password is.
    Raise CifraError if the database cannot be used, if it is lost and `new_database` does not allow
    to begin with an empty one, or if the first admin cannot be created.
    """
    with _one_line_errors(config), start_lock(config.data_dir):
        private_files.make_private(config.data_dir, config.database_file)
        _create_database_file(config, is_allowed=new_database)
        migration_state.upgrade(ROOT / "migrations")
        registry.register_bundled(ROOT / "models")
        lifecycle.ensure_started()
        return _ensure_admin(config, hasher)


@contextmanager
def _one_line_errors(config: Config) -> Iterator[None]:
    """Convert a failure of the database to Unavailable, with what to do about it."""
    try:
        yield
    except SQLAlchemyError as error:
        failure = describe(error)
        if failure is None:
            raise
        advice = ""
        if failure.is_damage and config.database_file is not None:
            file = config.database_file
            advice = (
                f"; move {file.name}* out of {file.parent}, and restore a backup"
                " (flask --app wsgi restore FILE)"
            )
        message = f"The database cannot be used: {failure.reason}{advice}"
        raise Unavailable(message) from error


@contextmanager
def start_lock(data_dir: Path) -> Iterator[None]:
    """Let only one start at a time prepare DATA_DIR; the lock ends with its process."""
    try:
        lock = (data_dir / START_LOCK).open("w")
    except OSError as error:
        raise Unavailable(
            f"DATA_DIR {data_dir} cannot be written: {error.strerror};"
            " make it writable for this user, or set DATA_DIR to another folder"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def has_lost_database(config: Config) -> bool:
    """Return whether DATA_DIR had a database, as its other files tell, and now has none."""
    file = config.database_file
    return file is not None and not file.exists() and not _new_mark(config).exists()


def _new_mark(config: Config) -> Path:
    return config.data_dir / NEW_INSTALLATION


def _create_database_file(config: Config, *, is_allowed: bool) -> None:
    """Create an empty SQLite file for the first start. Raises Conflict if there was a database."""
    file = config.database_file
    if file is None:
        return
    if not file.exists():
        if has_lost_database(config) and not is_allowed:
            raise Conflict(
                f"There is no database at {file}, although {config.data_dir} has been in use: put"
                " it back, restore a backup (flask --app wsgi restore FILE), or begin with an empty"
                " one (flask --app wsgi prepare --new-database)"
            )
        _require_no_journal(file)
        with suppress(OSError):  # SQLite says why it cannot be opened
            DatabaseFile(file).create()
    if file.exists():
        _new_mark(config).unlink(missing_ok=True)


def _require_no_journal(file: Path) -> None:
    """Raise Conflict if there is a journal, which SQLite would apply to a new database."""
    for suffix in ("-wal", "-journal"):
        journal = file.with_name(file.name + suffix)
        if journal.exists():
            raise Conflict(f"{journal} belongs to a database that is gone: move it away first")


def _return_large_blocks() -> None:
    """Have glibc return what uploads took, once they are handled, to the system.

    By default it raises the size from which a block is mapped on its own with each such block that
    is freed, and then keeps the next ones.
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 256 * 1024)


def mark_as_serving(data_dir: Path) -> int:
    """Hold a shared lock on DATA_DIR as long as this process lives, as a sign that it serves.

    Return its descriptor, which nobody needs to close.
    """
    folder = os.open(data_dir, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_SH)
    return folder


@contextmanager
def lock_out_servers(data_dir: Path) -> Iterator[None]:
    """Keep servers from starting on DATA_DIR. Raise Conflict if one is running on it."""
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        if not _try_exclusive_lock(folder):
            raise Conflict(f"A server is running on {data_dir}; stop it first")
        yield
    finally:
        os.close(folder)


def is_server_running(data_dir: Path) -> bool:
    """Return whether a server is running on DATA_DIR."""
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        return not _try_exclusive_lock(folder)
    finally:
        os.close(folder)


def _try_exclusive_lock(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ensure_admin(config: Config, hasher: PasswordHasher) -> str:
    path = config.data_dir / ADMIN_FILE
    if not users.has_no_admin():
        return f"first password in {path}" if path.exists() else "created earlier"
    path.unlink(missing_ok=True)
    generated = secrets.token_urlsafe(12)
    if config.admin_password is None:
        # Before the account exists, so that no crash can lose the password.
        _write_private_file(path, generated)
    try:
        users.create_first_admin(hasher, config.admin_username, config.admin_password or generated)
    except CifraError as error:
        path.unlink(missing_ok=True)
        raise InvalidInput(f"ADMIN_USERNAME or ADMIN_PASSWORD: {error.message}") from error
    source = f"in {path}" if path.exists() else "from ADMIN_PASSWORD"
    return f"{config.admin_username}, password {source}"


def _write_private_file(path: Path, password: str) -> None:
    """Write a password to a new file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password + "\n")
        file.flush()
        os.fsync(file.fileno())
