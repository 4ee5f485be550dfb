"""Commands for the database: prepare it, verify its counters, back it up and restore it."""

from pathlib import Path

import click
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
@click.option(
    "--new-database",
    is_flag=True,
    help="Begin with an empty database where an earlier one is gone.",
)
@with_appcontext
def prepare(*, new_database: bool) -> None:
    """Migrate the database, register the bundled models and create the first admin."""
    services = container()
    with cli_errors():
        admin = bootstrap.prepare(services.config, services.hasher, new_database=new_database)
    click.echo(f"admin: {admin}")


@click.command("verify-counters")
@click.option("--repair", is_flag=True, help="Set the counters that differ to the correct value.")
@with_appcontext
def verify_counters(*, repair: bool) -> None:
    """Compare every counter with its rows; fails if one differs."""
    with cli_errors():
        differences = list(counter_audit.list_differences())
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


@click.command("backup")
@_FILE
@click.option(
    "--with-secrets",
    is_flag=True,
    help="Include the keys in DATA_DIR, so that users stay logged in after a restore.",
)
@with_appcontext
def backup(file: Path, *, with_secrets: bool) -> None:
    """Back up a consistent snapshot of the database; the server may keep running.

    FILE must not exist yet; only its owner can read it.
    """
    config = container().config
    with cli_errors():
        paths = _backup_paths(
            config,
            f"pg_dump --format=custom --file={file} '{config.database_url_without_password}'",
        )
        manifest = backups.create(paths, file.absolute(), show_progress, with_secrets=with_secrets)
    secrets = "with the secrets" if with_secrets else "without the secrets"
    click.echo(f"{file}: {manifest.files[backups.DATABASE].size:,} bytes of database, {secrets}")


@click.command("restore")
@_FILE
@with_appcontext
def restore(file: Path) -> None:
    """Restore a backup's database, and its secrets if it has any, into an empty DATA_DIR.

    Checks first that the checksums and the database are intact and that no server is running.
    """
    config = container().config
    with cli_errors():
        paths = _backup_paths(
            config, f"pg_restore --dbname='{config.database_url_without_password}' {file}"
        )
        migrations = ROOT / "migrations"
        with bootstrap.lock_out_servers(config.data_dir):
            manifest = backups.restore(
                file.absolute(), paths, migration_state.list_revisions(migrations), show_progress
            )
            migration_state.upgrade(migrations)
    click.echo(f"restored the backup of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC")


def _backup_paths(config: Config, alternative: str) -> BackupPaths:
    """Return the paths to back up. Raises NotFound, naming the command to use, for PostgreSQL."""
    if config.database_file is None:
        raise NotFound(f"The database is not a file. Use PostgreSQL's own tool: {alternative}")
    return BackupPaths(config.database_file, config.data_dir)
