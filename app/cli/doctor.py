"""The command that looks whether everything is as it should be."""

import click
from flask.cli import with_appcontext

from app.api.http.container import container
from app.cli.doctor_checks import CHECKS, Level


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Look at settings, files, database, models, mail and training; ends with an error on a FAIL.

    The server may be running or not; nothing is changed.
    """
    worst = 0
    for check in CHECKS:
        for found in check(container().config):
            advice = f" -> {found.advice}" if found.advice else ""
            click.echo(f"{found.level:<5} {found.text}{advice}")
            worst += found.level is Level.FAIL
    if worst:
        raise click.ClickException(f"{worst} of these must be seen to")
