"""Commands on the database: preparing it, recounting, backing it up and restoring it."""

from pathlib import Path

import click
import flask_migrate
from flask.cli import with_appcontext

from app import bootstrap
from app.api.http.container import parts
from app.cli.output import errors_on_one_line, tell
from app.domain.errors import NotFound
from app.services.maintenance import backups, counter_audit
from app.services.maintenance.backups import Place
from app.store.engine import migration_state
from config import ROOT, Config

_FILE = click.argument("file", type=click.Path(path_type=Path))


@click.command("prepare")
@with_appcontext
def prepare() -> None:
    """Migrate the database, take the shipped models in and make the first admin."""
    with errors_on_one_line():
        click.echo(f"admin: {bootstrap.prepare(parts().config, parts().hasher)}")


@click.command("verify-counters")
@click.option("--repair", is_flag=True, help="Set the counters that differ to the right value.")
@with_appcontext
def verify_counters(*, repair: bool) -> None:
    """Compute every counter from rows again; ends with an error where one differs."""
    found = list(counter_audit.differences())
    for line in found:
        click.echo(line)
    if found and repair:
        counter_audit.mend()
        click.echo(f"{len(found)} counters were repaired")
    elif found:
        raise click.ClickException(f"{len(found)} counters differ from their rows")
    else:
        click.echo("all counters match")


@click.command("backup")
@_FILE
@click.option(
    "--with-secrets",
    is_flag=True,
    help="With the keys in DATA_DIR: where it is restored, people stay logged in.",
)
@with_appcontext
def backup(file: Path, *, with_secrets: bool) -> None:
    """Archive the database as it is at one moment; the server may go on serving.

    FILE is made for its owner alone, and only if it is not there yet.
    """
    config = parts().config
    with errors_on_one_line():
        place = _place(config, f"pg_dump --format=custom --file={file} '{config.database_shown}'")
        made = backups.make(place, file.absolute(), tell, with_secrets=with_secrets)
    secrets = "with the secrets" if with_secrets else "without the secrets"
    click.echo(f"{file}: {made.files[backups.DATABASE].size:,} bytes of database, {secrets}")


@click.command("restore")
@_FILE
@with_appcontext
def restore(file: Path) -> None:
    """Put a backup's database, and its secrets if it has them, into an empty DATA_DIR.

    Everything is checked first: the checksums, the database, and that no server runs there.
    """
    config = parts().config
    with errors_on_one_line():
        place = _place(config, f"pg_restore --dbname='{config.database_shown}' {file}")
        migrations = ROOT / "migrations"
        with bootstrap.without_server(config.data_dir):
            made = backups.unpack(file.absolute(), place, migration_state.known(migrations), tell)
            flask_migrate.upgrade()
    click.echo(f"restored what was backed up at {made.made_at:%Y-%m-%d %H:%M:%S} UTC")


def _place(config: Config, instead: str) -> Place:
    """Where the files are. Raises NotFound, with what to do instead, where there is a server."""
    if config.database_file is None:
        raise NotFound(f"The database is not a file. Use PostgreSQL's own tool: {instead}")
    return Place(config.database_file, config.data_dir)
