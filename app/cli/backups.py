"""Commands that back up the database, verify a backup and restore one."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from app import bootstrap
from app.api.http.container import container
from app.cli.output import Command, show_progress
from app.domain.errors import CifraError, Conflict, NotFound, Unavailable
from app.services.maintenance import backup_rotation, backups, restores
from app.services.maintenance.backup_contents import Contents
from app.services.maintenance.backup_manifest import DATABASE, Manifest
from app.services.maintenance.backups import Backup, BackupPaths
from app.services.notifications import alerts
from app.store.engine.sqlite_schema import ForeignObject
from config import ROOT, Config

ALERT_KIND = "backup"
MAX_ALERT_LENGTH = 300

_MIGRATIONS = ROOT / "migrations"
_FILE = click.argument("file", type=click.Path(path_type=Path))


@click.command("backup", cls=Command)
@_FILE
@click.option(
    "--with-secrets",
    is_flag=True,
    help="Include the keys in DATA_DIR, so that users stay logged in after a restore.",
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="FILE is a folder: add a backup to it, then delete those beyond the newest N good ones.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Make no backup: rehearse a restore of FILE in a temporary folder, and say what is in it.",
)
@with_appcontext
def backup(file: Path, *, with_secrets: bool, keep: int | None, verify: bool) -> None:
    """Back up a consistent snapshot of the database; the server may keep running.

    FILE must not exist yet; only its owner can read it.
    """
    if verify and (with_secrets or keep):
        raise click.UsageError("--verify makes no backup: it takes no other option")
    if verify:
        _verify(file.absolute())
    elif keep:
        _add_and_rotate(file.absolute(), keep, with_secrets=with_secrets)
    else:
        if file.is_dir():
            raise Conflict(f"{file} is a folder: name a new file, or add --keep N to rotate")
        _create(file.absolute(), with_secrets=with_secrets)


@click.command("restore", cls=Command)
@_FILE
@with_appcontext
def restore(file: Path) -> None:
    """Restore a backup's database, and its secrets if it has any, into an empty DATA_DIR.

    Checks everything first: checksums, tables, rows, keys, and that no server is running. If
    anything is wrong, nothing is changed.
    """
    config = container().config
    paths = _backup_paths(
        config, f"pg_restore --dbname='{config.database_url_without_password}' {file}"
    )
    with bootstrap.lock_out_servers(config.data_dir):
        restored = restores.restore(file.absolute(), paths, _MIGRATIONS, show_progress)
    _show_left_out(restored.left_out)
    click.echo(f"restored the backup of {restored.manifest.made_at_text}")


def _create(target: Path, *, with_secrets: bool) -> None:
    config = container().config
    made = backups.create(
        _paths_for_dump(config, target),
        target,
        _MIGRATIONS,
        show_progress,
        with_secrets=with_secrets,
        installation=backups.installation_id(config.secret_key),
    )
    _show_made(target, made)


def _add_and_rotate(folder: Path, keep: int, *, with_secrets: bool) -> None:
    """Add a backup to a folder and rotate; admins get an alert if that fails."""
    config = container().config
    try:
        if not folder.is_dir():
            raise NotFound(f"There is no folder {folder}: create or mount it")
        installation = backups.installation_id(config.secret_key)
        target, made = backup_rotation.create_next(
            _paths_for_dump(config, folder / "FILE"),
            folder,
            _MIGRATIONS,
            show_progress,
            with_secrets=with_secrets,
            installation=installation,
        )
        _show_made(target, made)
        rotation = backup_rotation.rotate(folder, keep, installation, show_progress)
        for name in rotation.deleted:
            click.echo(f"deleted {name}")
        if rotation.damaged:
            raise Unavailable(
                f"{folder / rotation.damaged[0]} is no readable backup, so it was not counted:"
                f" move it away ({len(rotation.damaged)} in all)"
            )
    except CifraError as error:
        _alert(config, error.message)
        raise


def _alert(config: Config, reason: str) -> None:
    """Tell admins of a failure if the database can still say so; never create a database."""
    click.echo("the backup failed; admins get an alert if the database can be written", err=True)
    if config.database_file is None or config.database_file.exists():
        with suppress(SQLAlchemyError):
            alerts.create(ALERT_KIND, f"The scheduled backup failed: {reason}"[:MAX_ALERT_LENGTH])


def _verify(file: Path) -> None:
    verified, contents = restores.rehearse(file, _MIGRATIONS, show_progress)
    _show_left_out(verified.left_out)
    for line in _describe(verified, contents):
        click.echo(line)


def _describe(verified: Backup, contents: Contents) -> Sequence[str]:
    manifest = verified.manifest
    rows = ", ".join(f"{table} {count:,}" for table, count in contents.rows.items() if count)
    return (
        f"made at {manifest.made_at_text} by Cifra {manifest.cifra}, migration {manifest.revision}",
        f"contains {_summary(manifest)}",
        f"rows: {rows}; all counters match",
        f"models: {contents.models}, all of them work",
        "good: a restore was rehearsed",
    )


def _show_made(target: Path, made: Backup) -> None:
    _show_left_out(made.left_out)
    click.echo(f"{target}: {_summary(made.manifest)}")


def _summary(manifest: Manifest) -> str:
    secrets = "with the secrets" if len(manifest.files) > 1 else "without the secrets"
    return f"{manifest.files[DATABASE].size:,} bytes of database, {secrets}"


def _show_left_out(objects: Sequence[ForeignObject]) -> None:
    if objects:
        names = ", ".join(map(str, objects))
        click.echo(f"left out, because Cifra did not create it: {names}", err=True)


def _paths_for_dump(config: Config, target: Path) -> BackupPaths:
    url = config.database_url_without_password
    return _backup_paths(config, f"pg_dump --format=custom --file={target} '{url}'")


def _backup_paths(config: Config, alternative: str) -> BackupPaths:
    """Return the paths to back up. Raises NotFound, naming the command to use, for PostgreSQL."""
    if config.database_file is None:
        raise NotFound(f"The database is not a file. Use PostgreSQL's own tool: {alternative}")
    return BackupPaths(config.database_file, config.data_dir)
