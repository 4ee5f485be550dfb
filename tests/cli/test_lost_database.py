"""A start creates an empty database in a new installation, and never in place of a lost one."""

import shutil
from pathlib import Path

import pytest

from config import NEW_INSTALLATION
from tests.support.cli import Result, run_flask

SECRET_FILES = ("secret_key", "jwt_secret_key")


def one_line(done: Result) -> str:
    """Return the error of a failed command."""
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    """Return a DATA_DIR whose database is gone."""
    assert run_flask(tmp_path, "prepare").returncode == 0
    for path in tmp_path.glob("app.db*"):
        path.unlink()
    return tmp_path


def test_a_lost_database_stops_the_start_with_one_line_that_says_what_to_do(lost: Path) -> None:
    line = one_line(run_flask(lost, "prepare"))
    assert f"There is no database at {lost}/app.db, although {lost} has been in use" in line
    assert "flask --app wsgi restore FILE" in line
    assert "flask --app wsgi prepare --new-database" in line
    assert not (lost / "app.db").exists()


def test_a_new_database_is_created_on_request(lost: Path) -> None:
    assert run_flask(lost, "prepare", "--new-database").returncode == 0
    assert run_flask(lost, "prepare").returncode == 0


def test_secrets_alone_are_a_sign_of_a_lost_database(lost: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in SECRET_FILES:
        shutil.copy(lost / name, other / name)
    assert "There is no database" in one_line(run_flask(other, "prepare"))


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_a_journal_of_a_lost_database_is_not_applied_to_a_new_one(lost: Path, suffix: str) -> None:
    (lost / f"app.db{suffix}").write_bytes(b"of another database")
    line = one_line(run_flask(lost, "prepare", "--new-database"))
    assert f"app.db{suffix} belongs to a database that is gone: move it away first" in line
    assert not (lost / "app.db").exists()


def test_a_first_start_that_failed_can_be_repeated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mounted/app.db"
    line = one_line(run_flask(tmp_path, "prepare", DATABASE_URL=url))
    assert "unable to open database file" in line
    (tmp_path / "mounted").mkdir()
    assert run_flask(tmp_path, "prepare", DATABASE_URL=url).returncode == 0


COMMANDS = (["verify-counters"], ["set-password", "ana", "--password", "long enough"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_commands_beside_a_lost_database_create_none(lost: Path, command: list[str]) -> None:
    assert "The database file cannot be opened" in one_line(run_flask(lost, *command))
    assert list(lost.glob("app.db*")) == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_commands_before_the_first_start_do_not_prevent_it(
    tmp_path: Path, command: list[str]
) -> None:
    one_line(run_flask(tmp_path, *command))
    assert list(tmp_path.glob("app.db*")) == []
    assert (tmp_path / NEW_INSTALLATION).exists()
    assert run_flask(tmp_path, "prepare").returncode == 0
    assert not (tmp_path / NEW_INSTALLATION).exists()
