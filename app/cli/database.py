"""Commands for the database: prepare it, and verify its counters."""

import click
from flask.cli import with_appcontext

from app import bootstrap
from app.api.http.container import container
from app.cli.output import Command
from app.services.maintenance import counter_audit


@click.command("prepare", cls=Command)
@click.option(
    "--new-database",
    is_flag=True,
    help="Begin with an empty database where an earlier one is gone.",
)
@with_appcontext
def prepare(*, new_database: bool) -> None:
    """Migrate the database, register the bundled models and create the first admin."""
    services = container()
    admin = bootstrap.prepare(services.config, services.hasher, new_database=new_database)
    click.echo(f"admin: {admin}")


@click.command("verify-counters", cls=Command)
@click.option("--repair", is_flag=True, help="Set the counters that differ to the correct value.")
@with_appcontext
def verify_counters(*, repair: bool) -> None:
    """Compare every counter with its rows; fails if one differs."""
    differences = counter_audit.list_differences()
    if differences and repair:
        counter_audit.repair()
    for line in differences:
        click.echo(line)
    if differences and repair:
        click.echo(f"{len(differences)} counters repaired")
    elif differences:
        raise click.ClickException(f"{len(differences)} counters differ from their rows")
    else:
        click.echo("all counters match")
