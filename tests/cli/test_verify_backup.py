"""`backup --verify` rehearses a restore, and says what is in a backup or why it is no good."""

import re
import tempfile
from pathlib import Path

import pytest

from config import NEW_INSTALLATION
from tests.conftest import SECRETS
from tests.support.backup_files import Good
from tests.support.cli import run_flask
from tests.support.hostile_archives import hostile_archives


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the time and bytes of each file."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def test_verify_says_what_is_in_a_backup_and_touches_nothing(
    data_dir: Path, temporary: Path
) -> None:
    before = contents(data_dir)
    verified = run_flask(data_dir, "backup", "--verify", data_dir / "backup.tgz")
    assert verified.returncode == 0, verified.stderr
    lines = verified.stdout.splitlines()
    assert re.fullmatch(r"made at [-0-9: ]{19} UTC by Cifra \S+, migration \d{4}", lines[0])
    assert re.fullmatch(r"contains [0-9,]+ bytes of database, without the secrets", lines[1])
    assert "prediction 3" in lines[2]
    assert "user 2" in lines[2]
    assert lines[2].endswith("all counters match")
    assert lines[3:] == ["models: 2, all of them work", "good: a restore was rehearsed"]
    assert contents(data_dir) == before
    assert list(temporary.iterdir()) == []


def test_verify_needs_no_configuration(data_dir: Path, tmp_path: Path) -> None:
    verified = run_flask(tmp_path / "new", "backup", "--verify", data_dir / "backup.tgz")
    assert verified.returncode == 0, verified.stderr
    assert not (tmp_path / "new" / "app.db").exists()
    url = "postgresql://cifra@db.example/cifra"
    elsewhere = run_flask(
        tmp_path, "backup", "--verify", data_dir / "backup.tgz", DATABASE_URL=url, **SECRETS
    )
    assert (elsewhere.returncode, elsewhere.stdout) == (0, verified.stdout)


def test_verify_and_restore_reject_a_bad_archive_with_one_line(
    data_dir: Path, tmp_path: Path, temporary: Path
) -> None:
    cases = hostile_archives(Good.read(data_dir / "backup.tgz").without_models())
    there = tmp_path / "there"
    of_a_new_installation = {"secret_key", "jwt_secret_key", NEW_INSTALLATION}
    for name in (
        "loop of symbolic links",
        "database of -512 bytes",
        "database of another program that claims a migration",
        "secret_key of b'abc'",
        "database damaged at 5/10",
    ):
        content, expected = cases[name]
        (tmp_path / "bad.tgz").write_bytes(content)
        for command in (["restore"], ["backup", "--verify"]):
            rejected = run_flask(there, *command, tmp_path / "bad.tgz")
            assert (rejected.returncode, rejected.stdout) == (1, ""), name
            *progress, line = rejected.stderr.splitlines()
            assert line.startswith("Error: "), name
            assert expected in line, name
            assert all(each.endswith("%") for each in progress), name
            assert {path.name for path in there.iterdir()} == of_a_new_installation
            assert list(temporary.iterdir()) == []


def test_verify_takes_no_other_option(data_dir: Path) -> None:
    rejected = run_flask(data_dir, "backup", "--verify", "--keep", "2", data_dir / "backup.tgz")
    assert rejected.returncode == 2
    assert "--verify makes no backup" in rejected.stderr
