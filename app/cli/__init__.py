"""Commands for operators: `flask --app wsgi COMMAND`."""

from flask import Flask

from app.cli import accounts, database, doctor, keys, worker

COMMANDS = (
    accounts.create_admin,
    accounts.set_password,
    database.prepare,
    database.verify_counters,
    database.backup,
    database.restore,
    keys.rotate_key,
    doctor.doctor,
    worker.worker,
)


def register(app: Flask) -> None:
    """Add the commands to an application."""
    for command in COMMANDS:
        app.cli.add_command(command)
