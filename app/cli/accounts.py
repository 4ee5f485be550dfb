"""Commands for accounts: create an admin, set a password."""

import click
from flask.cli import with_appcontext

from app.api.http.container import container
from app.cli.output import Command
from app.services.accounts import users

_PASSWORD = click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)


@click.command("create-admin", cls=Command)
@click.argument("username")
@_PASSWORD
@with_appcontext
def create_admin(username: str, password: str) -> None:
    """Create an admin, or make an account an admin; sets its password."""
    users.create_admin(container().hasher, username, password)
    click.echo(f"{username} is an admin")


@click.command("set-password", cls=Command)
@click.argument("username")
@_PASSWORD
@with_appcontext
def set_password(username: str, password: str) -> None:
    """Set the password of an account, also of an old account without one."""
    users.set_password(container().hasher, username, password)
    click.echo(f"{username} has a new password, and was logged out everywhere")
