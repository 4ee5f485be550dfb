"""Backup, rotation, verification and restore: under load, elsewhere, and of bad archives."""

import shutil
import stat
import tarfile
import threading
from pathlib import Path

import pytest

from app.services.maintenance import counter_audit
from app.store.engine.db import db
from tests.conftest import (
    SECRETS,
    GoldenSet,
    make_config,
    opened_app,
)
from tests.support.cli import run_flask
from tests.support.server_process import UNLIMITED, Client, serve

MIN_REQUESTS_BEFORE_BACKUP = 20


def admin_responses(client: Client) -> dict[str, object]:
    """Return responses that must be the same after a restore."""
    paths = ("report", "models", "deployments", "users", "experiments")
    return {path: client.call("GET", f"/admin/{path}").json() for path in paths}


@pytest.mark.slow
def test_a_backup_under_load_restores_to_the_same_state(tmp_path: Path, golden: GoldenSet) -> None:
    here, there, file = tmp_path / "here", tmp_path / "there", tmp_path / "backup.tgz"
    stop_event = threading.Event()
    statuses: list[int] = []
    ids: list[str] = []

    def load(client: Client) -> None:
        while not stop_event.is_set():
            made = client.predict("ab", golden.png(len(statuses) % 100))
            statuses.append(made.status_code)
            ids.append(made.json()["prediction_id"])

    with serve(here, **UNLIMITED) as server:
        clients = [server.register(f"sender {number}") for number in range(4)]
        loading = [threading.Thread(target=load, args=[client]) for client in clients]
        for thread in loading:
            thread.start()
        while len(statuses) < MIN_REQUESTS_BEFORE_BACKUP:
            assert all(thread.is_alive() for thread in loading)
        before = len(ids)
        acknowledged = set(ids)
        backed_up = run_flask(here, "backup", file)
        during = len(statuses) - before
        stop_event.set()
        for thread in loading:
            thread.join()
        assert backed_up.returncode == 0, backed_up.stderr
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "copying the database: 100%\n" in backed_up.stderr
        later = run_flask(here, "backup", tmp_path / "later.tgz", "--with-secrets")
        assert later.returncode == 0, later.stderr
        verified = run_flask(here, "backup", "--verify", tmp_path / "later.tgz")
        assert verified.returncode == 0, verified.stderr
        assert "with the secrets" in verified.stdout
        password, expected = server.admin_password, admin_responses(server.admin_client())
    assert set(statuses) == {200}
    assert during > 0

    restored = run_flask(there, "restore", file)
    assert restored.returncode == 0, restored.stderr
    with opened_app(make_config(there)) as app, app.app_context():
        assert counter_audit.list_differences() == []
        found = {str(row[0]) for row in db.session.execute(db.text("SELECT id FROM prediction"))}
        db.session.close()
    assert {made.replace("-", "") for made in acknowledged} <= found

    again = tmp_path / "again"
    assert run_flask(again, "restore", tmp_path / "later.tgz").returncode == 0
    with serve(again, **UNLIMITED) as server:
        assert admin_responses(server.login("admin", password)) == expected
        sender = server.login("sender 0", "password of sender 0")
        assert sender.predict("v2", golden.png(0)).status_code == 200
        returned = clients[1]
        returned.url = server.url
        assert returned.call("GET", "/predictions").status_code == 200


@pytest.mark.slow
def test_a_restore_without_secrets_keeps_passwords_but_not_tokens(
    data_dir: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    assert run_flask(there, "restore", data_dir / "backup.tgz").returncode == 0
    with tarfile.open(data_dir / "backup.tgz") as archive:
        assert archive.getnames() == ["manifest.json", "app.db"]
    assert {path.name for path in there.iterdir()} >= {"app.db", "jwt_secret_key"}
    assert stat.S_IMODE((there / "app.db").stat().st_mode) == 0o600
    with serve(there, **UNLIMITED) as server:
        assert server.login("ana", "password of ana")


def test_secrets_are_backed_up_on_request(data_dir: Path, tmp_path: Path) -> None:
    run_flask(data_dir, "rotate-key")
    file = tmp_path / "with.tgz"
    assert run_flask(data_dir, "backup", file, "--with-secrets").returncode == 0
    assert run_flask(tmp_path / "there", "restore", file).returncode == 0
    for name in ("secret_key", "jwt_secret_key", "jwt_retired_keys"):
        restored = tmp_path / "there" / name
        assert restored.read_text() == (data_dir / name).read_text()
        assert stat.S_IMODE(restored.stat().st_mode) == 0o600


def test_existing_files_are_never_overwritten(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "there.tgz"
    file.write_text("something dear")
    rejected = run_flask(data_dir, "backup", file)
    assert (rejected.returncode, rejected.stderr) == (1, f"Error: {file} already exists\n")
    assert file.read_text() == "something dear"
    before = (data_dir / "app.db").read_bytes()
    rejected = run_flask(data_dir, "restore", data_dir / "backup.tgz")
    assert (rejected.returncode, rejected.stderr) == (
        1,
        f"Error: {data_dir}/app.db already exists\n",
    )
    assert (data_dir / "app.db").read_bytes() == before
    there = tmp_path / "journal"
    there.mkdir()
    (there / "app.db-wal").write_text("of another database")
    assert (
        "app.db-wal already exists" in run_flask(there, "restore", data_dir / "backup.tgz").stderr
    )


@pytest.mark.slow
def test_a_restore_under_a_running_server_is_rejected(data_dir: Path, tmp_path: Path) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        for path in tmp_path.glob("app.db*"):
            shutil.move(path, tmp_path / f"moved-{path.name}")
        rejected = run_flask(tmp_path, "restore", data_dir / "backup.tgz")
        assert rejected.returncode == 1
        assert f"A server is running on {tmp_path}; stop it first" in rejected.stderr
        assert not (tmp_path / "app.db").exists()
        for path in tmp_path.glob("moved-*"):
            shutil.move(path, tmp_path / path.name.removeprefix("moved-"))
    assert server.process.returncode == 0
    for path in tmp_path.glob("app.db*"):
        path.unlink()
    assert run_flask(tmp_path, "restore", data_dir / "backup.tgz").returncode == 0


def test_a_failed_backup_leaves_no_files(data_dir: Path, tmp_path: Path) -> None:
    empty = run_flask(tmp_path / "new", "backup", tmp_path / "made.tgz")
    assert empty.returncode == 1
    assert "There is no database at" in empty.stderr
    nowhere = run_flask(data_dir, "backup", tmp_path / "no" / "such" / "folder.tgz")
    assert nowhere.returncode == 1
    assert "No such file or directory" in nowhere.stderr
    shutil.copytree(data_dir, tmp_path / "damaged")
    with (tmp_path / "damaged" / "app.db").open("r+b") as database:
        database.seek(3 * 4096)
        database.write(b"\xff" * 4096)
    damaged = run_flask(tmp_path / "damaged", "backup", tmp_path / "made.tgz")
    assert damaged.returncode == 1
    assert "Traceback" not in damaged.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"new", "damaged"}


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_on_postgresql_the_command_names_its_own_tool_without_the_password(
    tmp_path: Path, command: str
) -> None:
    url = "postgresql://cifra:secret-word@db.example:5433/cifra"
    rejected = run_flask(tmp_path, command, tmp_path / "b.tgz", DATABASE_URL=url, **SECRETS)
    assert rejected.returncode == 1
    tool = {"backup": "pg_dump", "restore": "pg_restore"}[command]
    assert tool in rejected.stderr
    assert "postgresql://cifra@db.example:5433/cifra" in rejected.stderr
    assert "secret-word" not in rejected.stderr
