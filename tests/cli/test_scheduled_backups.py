"""`backup --keep` rotates the backups of a folder; a failure deletes nothing and alerts admins."""

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from tests.support.cli import run_flask


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def alerts_of(data_dir: Path) -> list[str]:
    with closing(sqlite3.connect(data_dir / "app.db")) as database:
        found = database.execute("SELECT message FROM alert WHERE kind = 'backup'").fetchall()
    return [message for (message,) in found]


def test_scheduled_backups_are_rotated(data_dir: Path, tmp_path: Path) -> None:
    for number in range(1, 4):
        made = run_flask(data_dir, "backup", "--keep", "2", tmp_path)
        assert made.returncode == 0, made.stderr
        assert len(names_in(tmp_path)) == min(number, 2)
    assert "deleted cifra-000001-" in made.stdout
    assert [name[:13] for name in names_in(tmp_path)] == ["cifra-000002-", "cifra-000003-"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.iterdir())
    assert alerts_of(data_dir) == []
    verified = run_flask(data_dir, "backup", "--verify", tmp_path / names_in(tmp_path)[-1])
    assert verified.returncode == 0


def test_a_failed_scheduled_backup_deletes_nothing_and_alerts_admins(
    data_dir: Path, tmp_path: Path
) -> None:
    here, kept = tmp_path / "here", tmp_path / "kept"
    shutil.copytree(data_dir, here)
    kept.mkdir()
    for _ in range(2):
        assert run_flask(here, "backup", "--keep", "5", kept).returncode == 0
    before = names_in(kept)
    with closing(sqlite3.connect(here / "app.db")) as database:
        database.execute("ALTER TABLE deployment ADD COLUMN extra TEXT")
    failed = run_flask(here, "backup", "--keep", "1", kept)
    assert (failed.returncode, failed.stdout) == (1, "")
    reason = "the table deployment has other columns: 'extra'"
    assert reason in failed.stderr.splitlines()[-1]
    assert names_in(kept) == before
    nowhere = run_flask(here, "backup", "--keep", "1", tmp_path / "not mounted")
    assert nowhere.returncode == 1
    first, second = alerts_of(here)
    assert first.startswith("The scheduled backup failed: ")
    assert reason in first
    assert f"There is no folder {tmp_path}/not mounted: create or mount it" in second


def test_a_damaged_backup_fails_the_rotation(data_dir: Path, tmp_path: Path) -> None:
    here, kept = tmp_path / "here", tmp_path / "kept"
    shutil.copytree(data_dir, here)
    kept.mkdir()
    assert run_flask(here, "backup", "--keep", "1", kept).returncode == 0
    (damaged,) = kept.iterdir()
    damaged.write_bytes(damaged.read_bytes()[:-9])
    failed = run_flask(here, "backup", "--keep", "2", kept)
    assert failed.returncode == 1
    assert f"{damaged} is no readable backup" in failed.stderr
    assert len(names_in(kept)) == 2
    assert len(alerts_of(here)) == 1


def test_a_failed_backup_without_a_database_creates_none(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    failed = run_flask(tmp_path / "new", "backup", "--keep", "2", kept)
    assert failed.returncode == 1
    assert "There is no database at" in failed.stderr
    assert not (tmp_path / "new" / "app.db").exists()
    assert names_in(kept) == []
