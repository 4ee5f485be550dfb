"""The command that rotates the signing key of tokens."""

import secrets

import click
from flask.cli import with_appcontext

from app import bootstrap
from app.api.http.container import container
from app.cli.output import Command
from app.services.accounts.signing_keys import Key, KeyFiles
from config import Config

_MANUAL_ROTATION = """\
JWT_SECRET_KEY is set, so change it there. Nothing was changed yet:
  1. Set JWT_PREVIOUS_KEYS to the current JWT_SECRET_KEY, a space, and its own previous value.
     If the key leaked, leave it empty: that logs everybody out.
  2. Set JWT_SECRET_KEY to a new key, such as {key}
  3. Restart. Remove the old key from JWT_PREVIOUS_KEYS after {days} days.
If several servers share the keys and are restarted one by one, first add the new key to
JWT_PREVIOUS_KEYS of each, so that all of them accept it."""


@click.command("rotate-key", cls=Command)
@click.option(
    "--leaked",
    is_flag=True,
    help="Trust no earlier key from now on: everybody is logged out.",
)
@with_appcontext
def rotate_key(*, leaked: bool) -> None:
    """Sign tokens with a new key from now on; running servers load it automatically.

    Nobody is logged out: the earlier key is trusted until its last token has expired.
    """
    config = container().config
    if config.jwt_key_file is None:
        days = config.max_token_lifetime.days + 1
        raise click.ClickException(
            _MANUAL_ROTATION.format(key=secrets.token_urlsafe(48), days=days)
        )
    files = KeyFiles(config.jwt_key_file, config.max_token_lifetime)
    with bootstrap.start_lock(config.data_dir):
        new = files.rotate(keep_old=not leaked)
        retired = files.read_retired()
    click.echo(f"tokens are now signed with {new.kid}")
    for each in retired:
        click.echo(f"{each.key.kid} is trusted until {each.trusted_until:%Y-%m-%d %H:%M} UTC")
    _show_previous_keys(config)


def _show_previous_keys(config: Config) -> None:
    for secret in config.jwt_previous_keys:
        click.echo(f"{Key(secret).kid} is trusted as long as it is in JWT_PREVIOUS_KEYS")
