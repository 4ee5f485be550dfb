"""What has to be there before the first request: tables, models in service, an admin."""

import os
import secrets
from pathlib import Path

import flask_migrate
from flask import Flask
from sqlalchemy.exc import OperationalError

from app.api.parts import parts
from app.domain.errors import Unavailable
from app.services import accounts, models
from app.services.passwords import PasswordHasher
from config import ROOT, Config

ADMIN_FILE = "admin_password"


def start(app: Flask) -> str:
    """Prepare an application, load its models and take up what was left open.

    For the process that serves, before its first request. Returns a line on the admin; raises
    CifraError where it cannot serve.
    """
    with app.app_context():
        wired = parts()
        try:
            admin = prepare(wired.config, wired.hasher)
        except OperationalError as error:
            reason = str(error.orig).splitlines()[0]
            raise Unavailable(f"The database cannot be used: {reason}") from error
        wired.inference.load()
        wired.retrains.wake()
    return admin


def prepare(config: Config, hasher: PasswordHasher) -> str:
    """Bring the database up to date and make what a first start needs; safe to run at each start.

    Needs an application context. Returns a line on the admin: who it is, where the password is.
    Raises Conflict where there is no admin and the name is somebody's.
    """
    flask_migrate.upgrade()
    models.take_in_shipped(ROOT / "models")
    return _ensure_admin(config, hasher)


def _ensure_admin(config: Config, hasher: PasswordHasher) -> str:
    path = config.data_dir / ADMIN_FILE
    if not accounts.lacks_admin():
        return f"first password in {path}" if path.exists() else "made earlier"
    source = "from ADMIN_PASSWORD" if config.admin_password else f"in {path}"
    password = config.admin_password or _keep(path, secrets.token_urlsafe(12))
    accounts.make_first_admin(hasher, config.admin_username, password)
    return f"{config.admin_username}, password {source}"


def _keep(path: Path, password: str) -> str:
    """Write a password to a file that only its owner can read, before it becomes true."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password + "\n")
    return password
