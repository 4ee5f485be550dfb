"""What `doctor` looks at: each check says how one thing stands, and what to do about it."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from stat import S_IMODE

from app import bootstrap, smtp
from app.domain.assignment import Version
from app.domain.errors import CifraError, InvalidModel
from app.services.accounts.signing_keys import KeyFiles
from app.services.maintenance import counter_audit
from app.services.maintenance.backups import SECRETS
from app.services.monitoring import database_status, model_check
from app.store.engine import sqlite_backup
from config import ROOT, Config

LOW_DISK_BYTES, CRITICAL_DISK_BYTES = 1 << 30, 100 << 20
MIN_ACCURACY = 0.95
TORCH_IMPORT_TIMEOUT_S = 60
MAX_CLOCK_SKEW = timedelta(seconds=5)  # between machines, at most


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """How one thing stands, and what to do about it where something is to be done."""

    level: Level
    text: str
    advice: str = ""


Check = Callable[[Config], Iterator[Finding]]


def check_settings(config: Config) -> Iterator[Finding]:
    """What is set so that it invites trouble; values that cannot be right stop every start."""
    kind = "PostgreSQL" if config.database_file is None else str(config.database_file)
    served = (
        "a server is running" if bootstrap.is_server_running(config.data_dir) else "no server runs"
    )
    yield Finding(Level.OK, f"settings: DATA_DIR {config.data_dir}, database {kind}; {served}")
    if "*" in config.cors_origins:
        yield Finding(
            Level.WARN, "CORS_ORIGINS is *: pages of any site may call the API", "name origins"
        )
    if not config.ratelimit_enabled:
        yield Finding(Level.WARN, "RATELIMIT_ENABLED is false: nothing is limited", "set it true")


def check_files(config: Config) -> Iterator[Finding]:
    """Who can read what is secret."""
    kept = [path for name in SECRETS if (path := config.data_dir / name).exists()]
    loose = [path for path in kept if S_IMODE(path.stat().st_mode) & 0o077]
    for path in loose:
        yield Finding(Level.FAIL, f"{path} can be read by others", f"chmod 600 {path}")
    if not loose:
        yield Finding(Level.OK, f"secrets: {len(kept)} files, for their owner alone")
    if S_IMODE(config.data_dir.stat().st_mode) & 0o077:
        yield Finding(
            Level.WARN,
            f"{config.data_dir}, with people's pictures, is open to other users",
            f"chmod 700 {config.data_dir}",
        )


def check_signing_keys(config: Config) -> Iterator[Finding]:
    """Whether the files of the signing keys are whole."""
    if config.jwt_key_file is None:
        earlier = len(config.jwt_previous_keys)
        yield Finding(Level.OK, f"signing keys: from the settings, {earlier} earlier ones")
        return
    try:
        found = KeyFiles(config.jwt_key_file, config.max_token_lifetime).read()
    except (OSError, CifraError) as error:
        yield Finding(Level.FAIL, f"signing keys: {error}", "restore it from a backup")
        return
    yield Finding(Level.OK, f"signing keys: {found[0].kid}, and {len(found) - 1} earlier ones")


def check_disk(config: Config) -> Iterator[Finding]:
    """Whether there is room for more rows."""
    free = shutil.disk_usage(config.data_dir).free
    level = (
        Level.FAIL
        if free < CRITICAL_DISK_BYTES
        else Level.WARN
        if free < LOW_DISK_BYTES
        else Level.OK
    )
    advice = "" if level is Level.OK else "make room, or move DATA_DIR"
    yield Finding(level, f"disk: {free / (1 << 30):.1f} GiB free at {config.data_dir}", advice)


def check_database(config: Config) -> Iterator[Finding]:
    """Whether it answers, is whole, and has today's tables."""
    state = database_status.check(ROOT / "migrations")
    if state.error is not None:
        yield Finding(
            Level.FAIL, f"the database does not answer: {state.error}", "look at DATABASE_URL"
        )
        return
    if config.database_file is not None and (
        broken := sqlite_backup.list_faults(config.database_file)
    ):
        yield Finding(Level.FAIL, f"the database is damaged: {broken[0]}", "restore a backup")
        return
    if not state.is_migrated:
        advice = "flask --app wsgi prepare, or start the server"
        yield Finding(Level.WARN, f"the database is at migration {state.revision}", advice)
        return
    yield Finding(Level.OK, f"database: answers, whole, at migration {state.revision}")
    yield from _check_rows(state)


def _check_rows(state: database_status.DatabaseStatus) -> Iterator[Finding]:
    differences = sum(1 for _ in counter_audit.list_differences())
    if differences:
        advice = "flask --app wsgi verify-counters --repair"
        yield Finding(Level.FAIL, f"{differences} counters differ from their rows", advice)
    else:
        yield Finding(Level.OK, "counters: each is what its rows come to")
    for version in Version:
        yield _check_model(version)
    now = datetime.now(UTC)
    if state.newest_at is not None and state.newest_at > now + MAX_CLOCK_SKEW:
        late = (state.newest_at - now).total_seconds()
        advice = "set it by NTP; predictions are listed in the order of their times"
        yield Finding(Level.FAIL, f"the clock is {late:.0f} s behind the newest row", advice)
    else:
        yield Finding(Level.OK, f"clock: {now:%Y-%m-%d %H:%M:%S} UTC, after the newest row")


def _check_model(version: Version) -> Finding:
    try:
        found = model_check.check(version)
    except InvalidModel as error:
        advice = f"roll back: POST /admin/versions/{version}/rollback"
        return Finding(Level.FAIL, f"{version}: {error.message}", advice)
    if found is None:
        return Finding(Level.FAIL, f"{version} has no model", "flask --app wsgi prepare")
    text = f"{version}: {found.model.name} reads {found.correct} of {found.total} known digits"
    if found.correct < MIN_ACCURACY * found.total:
        return Finding(Level.FAIL, text, f"roll back: POST /admin/versions/{version}/rollback")
    return Finding(Level.OK, text)


def check_mail(config: Config) -> Iterator[Finding]:
    """Whether the mail server takes us."""
    if config.mail_server is None:
        yield Finding(Level.OK, "mail: MAIL_SERVER is not set, what there is stays in the outbox")
        return
    where = f"{config.mail_server}:{config.mail_port}"
    try:
        with smtp.mail.connect():
            yield Finding(Level.OK, f"mail: {where} answers")
    except OSError as error:
        yield Finding(
            Level.FAIL,
            f"mail: {where} does not take us: {type(error).__name__}",
            "look at the MAIL_ settings; mail waits in the outbox",
        )


def check_training(_: Config) -> Iterator[Finding]:
    """Whether retrains can be done here; serving needs no PyTorch."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import torch, onnx; print(torch.__version__)"],
            capture_output=True,
            text=True,
            timeout=TORCH_IMPORT_TIMEOUT_S,
            check=True,
        )
    except subprocess.SubprocessError:
        advice = "pip install -r requirements-train.txt"
        yield Finding(Level.WARN, "training: PyTorch cannot be imported, retrains fail", advice)
    else:
        yield Finding(Level.OK, f"training: PyTorch {done.stdout.strip()}")


CHECKS: tuple[Check, ...] = (
    check_settings,
    check_files,
    check_signing_keys,
    check_disk,
    check_database,
    check_mail,
    check_training,
)
