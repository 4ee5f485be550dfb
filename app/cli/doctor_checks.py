"""The checks of `doctor`: each yields its findings, with advice on what to do."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from app import bootstrap, smtp
from app.domain.assignment import Version
from app.domain.errors import CifraError, InvalidModel
from app.services.accounts.signing_keys import KeyFiles
from app.services.maintenance import counter_audit, private_files
from app.services.models import registry
from app.services.monitoring import database_status, model_check
from app.store.engine import sqlite_backup
from config import ROOT, Config

LOW_DISK_BYTES, CRITICAL_DISK_BYTES = 1 << 30, 100 << 20
MIN_ACCURACY = 0.95
TORCH_IMPORT_TIMEOUT_S = 60
MAX_CLOCK_SKEW = timedelta(seconds=5)  # between the machines of a deployment


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """The result of a check, with advice if something needs to be done."""

    level: Level
    text: str
    advice: str = ""


Check = Callable[[Config], Iterator[Finding]]


def check_settings(config: Config) -> Iterator[Finding]:
    """Check for risky settings; invalid ones already prevent every start."""
    kind = "PostgreSQL" if config.database_file is None else str(config.database_file)
    served = (
        "a server is running"
        if bootstrap.is_server_running(config.data_dir)
        else "no server is running"
    )
    yield Finding(Level.OK, f"settings: DATA_DIR {config.data_dir}, database {kind}; {served}")
    if "*" in config.cors_origins:
        yield Finding(
            Level.WARN, "CORS_ORIGINS is *: pages of any site may call the API", "list the origins"
        )
    if not config.ratelimit_enabled:
        yield Finding(
            Level.WARN, "RATELIMIT_ENABLED is false: nothing is limited", "set it to true"
        )


def check_files(config: Config) -> Iterator[Finding]:
    """Check that only their owner can read the secrets, the database and the data directory."""
    found = list(private_files.list_private(config.data_dir, config.database_file))
    readable = [path for path in found if private_files.is_accessible_to_others(path)]
    for path in readable:
        yield Finding(Level.FAIL, f"{path} is readable by other users", f"chmod 600 {path}")
    if not readable:
        yield Finding(Level.OK, f"files: {len(found)}, readable by their owner only")
    if private_files.is_accessible_to_others(config.data_dir):
        yield Finding(
            Level.WARN,
            f"{config.data_dir}, which contains users' images, is accessible to other users",
            f"chmod 700 {config.data_dir}",
        )


def check_signing_keys(config: Config) -> Iterator[Finding]:
    """Check that the files of the signing keys can be read."""
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
    """Check that there is enough free disk space."""
    free = shutil.disk_usage(config.data_dir).free
    level = Level.WARN if free < LOW_DISK_BYTES else Level.OK
    if free < CRITICAL_DISK_BYTES:
        level = Level.FAIL
    advice = "" if level is Level.OK else "free some space, or move DATA_DIR"
    yield Finding(level, f"disk: {free / (1 << 30):.1f} GiB free at {config.data_dir}", advice)


def check_database(config: Config) -> Iterator[Finding]:
    """Check that the database answers, is intact, and is migrated; then check its rows."""
    if config.database_file is not None and not config.database_file.exists():
        yield _missing_database(config)
        return
    state = database_status.check(ROOT / "migrations")
    if state.error is not None:
        yield Finding(
            Level.FAIL, f"the database cannot be used: {state.error}", "check DATABASE_URL"
        )
        return
    if config.database_file is not None and (
        faults := sqlite_backup.list_faults(config.database_file)
    ):
        yield Finding(Level.FAIL, f"the database is damaged: {faults[0]}", "restore a backup")
        return
    if not state.is_migrated:
        advice = "flask --app wsgi prepare, or start the server"
        yield Finding(Level.WARN, f"the database is at migration {state.revision}", advice)
        return
    yield Finding(Level.OK, f"database: answers, intact, at migration {state.revision}")
    yield from _check_rows(config, state)


def _missing_database(config: Config) -> Finding:
    if not bootstrap.has_lost_database(config):
        return Finding(Level.WARN, "there is no database yet", "start the server")
    return Finding(
        Level.FAIL,
        f"there is no database at {config.database_file}, although DATA_DIR has been in use",
        "put it back, restore a backup, or flask --app wsgi prepare --new-database",
    )


def _check_rows(config: Config, state: database_status.DatabaseStatus) -> Iterator[Finding]:
    differences = len(counter_audit.list_differences())
    if differences:
        advice = "flask --app wsgi verify-counters --repair"
        yield Finding(Level.FAIL, f"{differences} counters differ from their rows", advice)
    else:
        yield Finding(Level.OK, "counters: all match their rows")
    for version in Version:
        yield _check_model(config, version)
    now = datetime.now(UTC)
    if state.newest_at is not None and state.newest_at > now + MAX_CLOCK_SKEW:
        behind_s = (state.newest_at - now).total_seconds()
        advice = "synchronize it with NTP; predictions are listed by time"
        yield Finding(Level.FAIL, f"the clock is {behind_s:.0f} s behind the newest row", advice)
    else:
        yield Finding(Level.OK, f"clock: {now:%Y-%m-%d %H:%M:%S} UTC, after the newest row")


def _check_model(config: Config, version: Version) -> Finding:
    try:
        found = model_check.check(version)
    except InvalidModel as error:
        advice = _damaged_model_advice(config, version)
        return Finding(Level.FAIL, f"{version}: {error.message}", advice)
    if found is None:
        return Finding(Level.FAIL, f"{version} has no model", "flask --app wsgi prepare")
    text = f"{version}: {found.model.name} recognizes {found.correct} of {found.total} known digits"
    if found.correct < MIN_ACCURACY * found.total:
        return Finding(Level.FAIL, text, _roll_back_advice(config, version))
    return Finding(Level.OK, text)


def _damaged_model_advice(config: Config, version: Version) -> str:
    """Return what can be done in the state that the installation is in."""
    if registry.is_restorable(version, ROOT / "models"):
        is_running = bootstrap.is_server_running(config.data_dir)
        return (
            f"{'restart' if is_running else 'start'} the server: a start restores it from models/"
        )
    fallback = model_check.find_fallback(version)
    if fallback is None:
        return "restore a backup: no other model of this version is usable"
    return f"{_roll_back_advice(config, version)}; until then {fallback.name} is served"


def _roll_back_advice(config: Config, version: Version) -> str:
    first = "" if bootstrap.is_server_running(config.data_dir) else "start the server, then "
    return f"{first}roll back: POST /admin/versions/{version}/rollback"


def check_mail(config: Config) -> Iterator[Finding]:
    """Check that the mail server accepts a connection and the login."""
    if config.mail_server is None:
        yield Finding(Level.OK, "mail: MAIL_SERVER is not set, notifications stay in the outbox")
        return
    where = f"{config.mail_server}:{config.mail_port}"
    try:
        with smtp.mail.connect():
            yield Finding(Level.OK, f"mail: {where} answers")
    except OSError as error:
        yield Finding(
            Level.FAIL,
            f"mail: cannot connect to {where}: {type(error).__name__}",
            "check the MAIL_ settings; notifications wait in the outbox",
        )


def check_training(_: Config) -> Iterator[Finding]:
    """Check that retrain jobs can run here; serving needs no PyTorch."""
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
        yield Finding(Level.WARN, "training: PyTorch cannot be imported, retrain jobs fail", advice)
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
