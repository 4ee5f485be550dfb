"""Commands for whoever operates Cifra: `flask --app wsgi COMMAND`."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask
from flask.cli import with_appcontext

from app import bootstrap
from app.api.parts import parts
from app.domain.errors import CifraError
from app.services import accounts, recounting

_PASSWORD = click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)


def register(app: Flask) -> None:
    """Add the commands to an application."""
    for command in (prepare, create_admin, set_password, recount):
        app.cli.add_command(command)


@click.command("prepare")
@with_appcontext
def prepare() -> None:
    """Migrate the database, take the shipped models in and make the first admin."""
    with _errors_on_one_line():
        click.echo(f"admin: {bootstrap.prepare(parts().config, parts().hasher)}")


@click.command("create-admin")
@click.argument("username")
@_PASSWORD
@with_appcontext
def create_admin(username: str, password: str) -> None:
    """Make an admin, or make an account one, with a new password."""
    with _errors_on_one_line():
        accounts.make_admin(parts().hasher, username, password)
    click.echo(f"{username} is an admin")


@click.command("set-password")
@click.argument("username")
@_PASSWORD
@with_appcontext
def set_password(username: str, password: str) -> None:
    """Give an account a new password, old accounts without one among them."""
    with _errors_on_one_line():
        accounts.set_password(parts().hasher, username, password)
    click.echo(f"{username} has a new password, and was logged out everywhere")


@click.command("recount")
@click.option("--mend", is_flag=True, help="Set the counters that differ to what is right.")
@with_appcontext
def recount(*, mend: bool) -> None:
    """Work every counter out from rows again; ends with an error where one differs."""
    found = list(recounting.differences())
    for line in found:
        click.echo(line)
    if found and mend:
        recounting.mend()
        click.echo(f"{len(found)} counters were mended")
    elif found:
        raise click.ClickException(f"{len(found)} counters differ from their rows")
    else:
        click.echo("every counter is what its rows come to")


@contextmanager
def _errors_on_one_line() -> Iterator[None]:
    try:
        yield
    except CifraError as error:
        raise click.ClickException(error.message) from error
