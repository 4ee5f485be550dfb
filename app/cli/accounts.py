"""Commands that give people access."""

import click
from flask.cli import with_appcontext

from app.api.http.container import container
from app.cli.output import cli_errors
from app.services.accounts import users

_PASSWORD = click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)


@click.command("create-admin")
@click.argument("username")
@_PASSWORD
@with_appcontext
def create_admin(username: str, password: str) -> None:
    """Make an admin, or make an account one, with a new password."""
    with cli_errors():
        users.create_admin(container().hasher, username, password)
    click.echo(f"{username} is an admin")


@click.command("set-password")
@click.argument("username")
@_PASSWORD
@with_appcontext
def set_password(username: str, password: str) -> None:
    """Give an account a new password, old accounts without one among them."""
    with cli_errors():
        users.set_password(container().hasher, username, password)
    click.echo(f"{username} has a new password, and was logged out everywhere")
