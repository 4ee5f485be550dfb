"""Only the server's own user can read what is in DATA_DIR, also where it existed before."""

from pathlib import Path

import pytest
from flask import Flask

from app import bootstrap
from tests.conftest import container_of
from tests.support.cli import run_flask_process
from tests.support.file_modes import list_accessible, list_umasks
from tests.support.server_process import Server

PRIVATE = 0o077


@pytest.mark.slow
def test_all_processes_of_a_server_create_private_files(server: Server) -> None:
    server.register("ana")  # so that the database has a journal
    names = {path.name for path in server.data_dir.iterdir()}
    assert {"app.db", "app.db-wal", "jwt_secret_key"} <= names
    assert list_accessible(server.data_dir) == []
    assert list_umasks(server.process.pid) == {PRIVATE}


@pytest.mark.slow
def test_a_command_creates_private_files_in_a_folder_that_others_can_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert run_flask_process(tmp_path, "prepare").returncode == 0
    assert {"app.db", "secret_key", "start.lock"} <= {path.name for path in tmp_path.iterdir()}
    assert list_accessible(tmp_path) == []


def test_files_that_others_could_read_are_private_after_the_next_start(app: Flask) -> None:
    components = container_of(app)
    data_dir = components.config.data_dir
    for name in ("secret_key", "jwt_retired_keys", "app.db.before-0008"):
        (data_dir / name).write_text("something private")
    (data_dir / "notes.txt").write_text("not Cifra's")
    for path in data_dir.iterdir():
        path.chmod(0o644)
    with app.app_context():
        bootstrap.prepare(components.config, components.hasher)
    assert set(list_accessible(data_dir)) <= {"notes.txt", "start.lock"}
    assert (data_dir / "notes.txt").stat().st_mode & 0o777 == 0o644
