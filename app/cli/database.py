"""Commands on the database: preparing it, recounting, backing it up and restoring it."""

from pathlib import Path

import click
import flask_migrate
from flask.cli import with_appcontext

from app import bootstrap
from app.api.http.container import container
from app.cli.output import cli_errors, show_progress
from app.domain.errors import NotFound
from app.services.maintenance import backups, counter_audit
from app.services.maintenance.backups import BackupPaths
from app.store.engine import migration_state
from config import ROOT, Config

_FILE = click.argument("file", type=click.Path(path_type=Path))


@click.command("prepare")
@with_appcontext
def prepare() -> None:
    """Migrate the database, take the shipped models in and make the first admin."""
    with cli_errors():
        click.echo(f"admin: {bootstrap.prepare(container().config, container().hasher)}")


@click.command("verify-counters")
@click.option("--repair", is_flag=True, help="Set the counters that differ to the right value.")
@with_appcontext
def verify_counters(*, repair: bool) -> None:
    """Compute every counter from rows again; ends with an error where one differs."""
    found = list(counter_audit.list_differences())
    for line in found:
        click.echo(line)
    if found and repair:
        counter_audit.repair()
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
    config = container().config
    with cli_errors():
        place = _backup_paths(
            config,
            f"pg_dump --format=custom --file={file} '{config.database_url_without_password}'",
        )
        made = backups.create(place, file.absolute(), show_progress, with_secrets=with_secrets)
    secrets = "with the secrets" if with_secrets else "without the secrets"
    click.echo(f"{file}: {made.files[backups.DATABASE].size:,} bytes of database, {secrets}")


@click.command("restore")
@_FILE
@with_appcontext
def restore(file: Path) -> None:
    """Put a backup's database, and its secrets if it has them, into an empty DATA_DIR.

    Everything is checked first: the checksums, the database, and that no server runs there.
    """
    config = container().config
    with cli_errors():
        place = _backup_paths(
            config, f"pg_restore --dbname='{config.database_url_without_password}' {file}"
        )
        migrations = ROOT / "migrations"
        with bootstrap.lock_out_servers(config.data_dir):
            made = backups.restore(
                file.absolute(), place, migration_state.list_revisions(migrations), show_progress
            )
            flask_migrate.upgrade()
    click.echo(f"restored what was backed up at {made.made_at:%Y-%m-%d %H:%M:%S} UTC")


def _backup_paths(config: Config, instead: str) -> BackupPaths:
    """Where the files are. Raises NotFound, with what to do instead, where there is a server."""
    if config.database_file is None:
        raise NotFound(f"The database is not a file. Use PostgreSQL's own tool: {instead}")
    return BackupPaths(config.database_file, config.data_dir)
