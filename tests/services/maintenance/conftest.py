"""A good backup, for tests that change it."""

from pathlib import Path

import pytest

from app.services.maintenance import backups
from app.services.maintenance.backups import BackupPaths
from config import ROOT
from tests.conftest import bootstrapped_app, make_config
from tests.support.backup_files import Good

MIGRATIONS = ROOT / "migrations"


def ignore_progress(_stage: str, _progress: float) -> None:
    """Show nothing."""


@pytest.fixture(scope="session")
def good_backup(tmp_path_factory: pytest.TempPathFactory) -> Good:
    """Return the files of a backup of a database as after a first start."""
    folder: Path = tmp_path_factory.mktemp("good")
    with bootstrapped_app(make_config(folder)):
        pass
    archive = folder / "backup.tgz"
    backups.create(BackupPaths(folder / "app.db", folder), archive, MIGRATIONS, ignore_progress)
    return Good.read(archive)


@pytest.fixture(scope="session")
def small_backup(good_backup: Good) -> Good:
    """Return the same without the models, which a restore does not open."""
    return good_backup.without_models()
