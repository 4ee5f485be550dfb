"""The doctor command: all checks pass on a healthy installation, and each problem is found."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app import bootstrap
from app.cli import doctor_checks
from app.cli.doctor_checks import Check, Finding, Level
from app.domain.assignment import Version
from app.services.models import registry
from app.store.engine.db import write_transaction
from config import Config
from tests.conftest import (
    GoldenSet,
    bootstrapped_app,
    container_of,
    make_config,
    opened_app,
    register_user,
)
from tests.support.cli import run_flask, run_flask_process
from tests.support.server_process import UNLIMITED, free_port, serve
from tests.support.smtp_server import mail_server


def findings_of(check: Check, app: Flask, config: Config | None = None) -> list[Finding]:
    with app.app_context():
        return list(check(config or container_of(app).config))


def only_finding(found: list[Finding], level: Level) -> Finding:
    """Return the one finding of a level, which must have advice."""
    (one,) = [each for each in found if each.level is level]
    assert one.advice
    return one


@pytest.mark.slow
def test_all_checks_pass_beside_a_running_server(tmp_path: Path, golden: GoldenSet) -> None:
    with serve(tmp_path / "data", **UNLIMITED) as server:
        assert server.register("ana").predict("ab", golden.png(0)).status_code == 200
        server.data_dir.chmod(0o700)
        done = run_flask(server.data_dir, "doctor")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) >= 10
    assert all(line.startswith("ok    ") for line in lines), done.stdout
    assert "a server is running" in lines[0]
    assert "recognizes 300 of 300 known digits" in done.stdout
    assert "training: PyTorch" in done.stdout


@pytest.mark.slow
def test_a_failed_check_makes_the_command_fail(tmp_path: Path) -> None:
    assert run_flask(tmp_path, "prepare").returncode == 0
    (tmp_path / "secret_key").chmod(0o644)
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch is not there')")
    done = run_flask_process(tmp_path, "doctor", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    line = (
        f"FAIL  {tmp_path}/secret_key is readable by other users -> chmod 600 {tmp_path}/secret_key"
    )
    assert line in done.stdout.splitlines()
    assert (
        "warn  training: PyTorch cannot be imported, retrain jobs fail -> pip install"
        in done.stdout
    )
    assert done.stderr == "Error: checks failed: 1\n"


def test_risky_settings_give_warnings(app: Flask) -> None:
    config = replace(container_of(app).config, cors_origins=("*",), ratelimit_enabled=False)
    found = findings_of(doctor_checks.check_settings, app, config)
    assert [each.level for each in found] == [Level.OK, Level.WARN, Level.WARN]


def test_an_accessible_data_dir_gives_a_warning(app: Flask) -> None:
    data_dir = container_of(app).config.data_dir
    data_dir.chmod(0o755)
    assert (
        only_finding(findings_of(doctor_checks.check_files, app), Level.WARN).advice
        == f"chmod 700 {data_dir}"
    )
    data_dir.chmod(0o700)
    assert {each.level for each in findings_of(doctor_checks.check_files, app)} == {Level.OK}


def test_damaged_signing_keys_are_found(tmp_path: Path) -> None:
    config = Config.from_env({"DATA_DIR": str(tmp_path)})
    with opened_app(config) as app:
        found = findings_of(doctor_checks.check_signing_keys, app)
        assert {each.level for each in found} == {Level.OK}
        (tmp_path / "jwt_retired_keys").write_text("nonsense")
        found = findings_of(doctor_checks.check_signing_keys, app)
    assert "jwt_retired_keys is damaged" in only_finding(found, Level.FAIL).text


@pytest.mark.parametrize(
    ("free_bytes", "level"),
    [(50 << 20, Level.FAIL), (500 << 20, Level.WARN), (5 << 30, Level.OK)],
)
def test_a_full_disk_is_found(
    app: Flask, monkeypatch: pytest.MonkeyPatch, free_bytes: int, level: Level
) -> None:
    usage = shutil.disk_usage("/")._replace(free=free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert [each.level for each in findings_of(doctor_checks.check_disk, app)] == [level]


def test_an_unreachable_database_is_reported_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://cifra:secret-word@127.0.0.1:{free_port()}/cifra"
    with opened_app(make_config(tmp_path, DATABASE_URL=url)) as app:
        found = findings_of(doctor_checks.check_database, app)
    assert "the database cannot be used" in only_finding(found, Level.FAIL).text
    assert "secret-word" not in str(found)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("traces", "level"), [([], Level.WARN), (["secret_key", "jwt_secret_key"], Level.FAIL)]
)
def test_a_missing_database_is_found_and_not_created(
    tmp_path: Path, traces: list[str], level: Level
) -> None:
    for name in traces:
        (tmp_path / name).write_text("s" * 32)
    with opened_app(make_config(tmp_path)) as app:
        found = findings_of(doctor_checks.check_database, app)
    assert "there is no database" in only_finding(found, level).text
    assert not (tmp_path / "app.db").exists()


def test_an_unmigrated_database_gives_a_warning(tmp_path: Path) -> None:
    (tmp_path / "app.db").touch()
    with opened_app(make_config(tmp_path)) as app:
        found = findings_of(doctor_checks.check_database, app)
    assert "at migration None" in only_finding(found, Level.WARN).text


def test_a_damaged_database_file_is_found(tmp_path: Path) -> None:
    with bootstrapped_app(make_config(tmp_path)) as app:
        assert {each.level for each in findings_of(doctor_checks.check_database, app)} == {Level.OK}
    with (tmp_path / "app.db").open("r+b") as file:
        file.seek(0, 2)
        file.seek(file.tell() - 6 * 4096)
        file.write(b"\xff" * 4096 * 6)
    with opened_app(make_config(tmp_path)) as app:
        found = findings_of(doctor_checks.check_database, app)
    assert "damaged" in only_finding(found, Level.FAIL).text


def execute(app: Flask, statement: str, **values: object) -> None:
    with app.app_context(), write_transaction() as session:
        session.execute(text(statement), values)


def test_wrong_counters_and_clocks_are_found_on_each_database(
    app_on_each: Flask, golden: GoldenSet
) -> None:
    assert register_user(app_on_each, "ana").predict("v2", golden.png(0)).status_code == 200
    assert {each.level for each in findings_of(doctor_checks.check_database, app_on_each)} == {
        Level.OK
    }
    execute(app_on_each, "UPDATE traffic_count SET served = served + 1")
    advice = only_finding(findings_of(doctor_checks.check_database, app_on_each), Level.FAIL).advice
    assert advice == "flask --app wsgi verify-counters --repair"
    execute(app_on_each, "UPDATE traffic_count SET served = served - 1")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    if app_on_each.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite"):
        tomorrow = tomorrow.replace(tzinfo=None)
    execute(app_on_each, "UPDATE prediction SET created_at = :at", at=str(tomorrow))
    assert (
        "behind the newest row"
        in only_finding(findings_of(doctor_checks.check_database, app_on_each), Level.FAIL).text
    )


@contextmanager
def as_if_a_server_ran(app: Flask) -> Iterator[None]:
    descriptor = bootstrap.mark_as_serving(container_of(app).config.data_dir)
    yield
    os.close(descriptor)


def model_finding(app: Flask) -> Finding:
    return only_finding(findings_of(doctor_checks.check_database, app), Level.FAIL)


def test_a_damaged_bundled_model_is_found_with_advice_that_restores_it(app: Flask) -> None:
    execute(app, "UPDATE model SET artifact = :damaged WHERE id = 2", damaged=b"no model")
    found = model_finding(app)
    assert found.text == "v2: The artifact of cifra-improved is damaged"
    assert found.advice == "start the server: a start restores it from models/"
    with as_if_a_server_ran(app):
        assert model_finding(app).advice == "restart the server: a start restores it from models/"
    with app.app_context():
        bootstrap.prepare(container_of(app).config, container_of(app).hasher)
    assert {each.level for each in findings_of(doctor_checks.check_database, app)} == {Level.OK}


def test_a_damaged_model_that_is_not_bundled_is_found_with_advice_that_is_possible(
    app: Flask,
) -> None:
    with app.app_context(), write_transaction() as session:
        own = registry.get_or_create(session, "own", b"no model")
        registry.deploy_in(session, Version.V2, own, "by hand")
    roll_back = "roll back: POST /admin/versions/v2/rollback; until then cifra-improved is served"
    assert model_finding(app).advice == f"start the server, then {roll_back}"
    with as_if_a_server_ran(app):
        assert model_finding(app).advice == roll_back
    execute(app, "UPDATE model SET artifact = :damaged WHERE id = 2", damaged=b"no model")
    assert model_finding(app).advice == "restore a backup: no other model of this version is usable"


def test_the_mail_server_is_checked(tmp_path: Path) -> None:
    port = free_port()
    more = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port)}
    with opened_app(make_config(tmp_path, **more)) as app:
        assert only_finding(findings_of(doctor_checks.check_mail, app), Level.FAIL).text == (
            f"mail: cannot connect to 127.0.0.1:{port}: ConnectionRefusedError"
        )
        with mail_server(port):
            assert [each.level for each in findings_of(doctor_checks.check_mail, app)] == [Level.OK]
