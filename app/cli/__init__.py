"""Commands for operators: `flask --app wsgi COMMAND`."""

import click
from flask import Flask

from app.cli import accounts, backups, database, doctor, keys, retention, worker
from app.store.engine.migration_state import register_flask_migrate
from config import ROOT

COMMANDS = (
    accounts.create_admin,
    accounts.set_password,
    database.prepare,
    database.verify_counters,
    backups.backup,
    backups.restore,
    retention.retention_command,
    keys.rotate_key,
    doctor.doctor,
    worker.worker,
)


def register(app: Flask) -> None:
    """Add the commands to an application."""
    for command in COMMANDS:
        app.cli.add_command(command)
    if click.get_current_context(silent=True) is not None:  # this is `flask`, not a server
        register_flask_migrate(app, ROOT / "migrations")
