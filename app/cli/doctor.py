"""The command that diagnoses an installation."""

import click
from flask.cli import with_appcontext

from app.api.http.container import container
from app.cli.doctor_checks import CHECKS, Level
from app.cli.output import Command


@click.command("doctor", cls=Command)
@with_appcontext
def doctor() -> None:
    """Check settings, files, database, models, mail and training; fails on a FAIL.

    Works with or without a running server, and changes nothing.
    """
    failures = 0
    for check in CHECKS:
        for finding in check(container().config):
            advice = f" -> {finding.advice}" if finding.advice else ""
            click.echo(f"{finding.level:<5} {finding.text}{advice}")
            failures += finding.level is Level.FAIL
    if failures:
        raise click.ClickException(f"checks failed: {failures}")
