"""The command that rotates the key that signs tokens."""

import secrets

import click
from flask.cli import with_appcontext

from app import bootstrap
from app.api.http.container import container
from app.cli.output import cli_errors
from app.services.accounts.signing_keys import Key, KeyFiles
from config import Config

_MANUAL_ROTATION = """\
JWT_SECRET_KEY is set, so it is changed there. Nothing was changed yet:
  1. Set JWT_PREVIOUS_KEYS to the present JWT_SECRET_KEY, with a space and what it held behind it.
     Where the key leaked, leave it empty: that logs everybody out.
  2. Set JWT_SECRET_KEY to a new key, such as {key}
  3. Restart. Take the old key out of JWT_PREVIOUS_KEYS after {days} days.
Where several servers share the keys and are restarted one by one, first add the new key to
JWT_PREVIOUS_KEYS of each, so that all of them know it."""


@click.command("rotate-key")
@click.option(
    "--leaked",
    is_flag=True,
    help="Trust no earlier key from now on: every login ends.",
)
@with_appcontext
def rotate_key(*, leaked: bool) -> None:
    """Sign tokens with a new key from now on; servers take it up by themselves.

    Nobody is logged out: the earlier key is trusted until its last token has expired.
    """
    config = container().config
    if config.jwt_key_file is None:
        days = config.max_token_lifetime.days + 1
        raise click.ClickException(
            _MANUAL_ROTATION.format(key=secrets.token_urlsafe(48), days=days)
        )
    files = KeyFiles(config.jwt_key_file, config.max_token_lifetime)
    with cli_errors(), bootstrap.start_lock(config.data_dir):
        new = files.rotate(keep_old=not leaked)
        retired = files.read_retired()
    click.echo(f"tokens are signed with {new.kid} now")
    for each in retired:
        click.echo(f"{each.key.kid} is trusted until {each.trusted_until:%Y-%m-%d %H:%M} UTC")
    _show_previous_keys(config)


def _show_previous_keys(config: Config) -> None:
    for secret in config.jwt_previous_keys:
        click.echo(f"{Key(secret).kid} is trusted as long as JWT_PREVIOUS_KEYS has it")
