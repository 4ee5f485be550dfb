"""Commands that give people access."""

import click
from flask.cli import with_appcontext

from app.api.http.container import parts
from app.cli.output import errors_on_one_line
from app.services.accounts import users

_PASSWORD = click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)


@click.command("create-admin")
@click.argument("username")
@_PASSWORD
@with_appcontext
def create_admin(username: str, password: str) -> None:
    """Make an admin, or make an account one, with a new password."""
    with errors_on_one_line():
        users.make_admin(parts().hasher, username, password)
    click.echo(f"{username} is an admin")


@click.command("set-password")
@click.argument("username")
@_PASSWORD
@with_appcontext
def set_password(username: str, password: str) -> None:
    """Give an account a new password, old accounts without one among them."""
    with errors_on_one_line():
        users.set_password(parts().hasher, username, password)
    click.echo(f"{username} has a new password, and was logged out everywhere")
