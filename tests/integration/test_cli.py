"""The commands for operators: accounts and the preparation of the database."""

import os
from pathlib import Path

from flask import Flask

from app.bootstrap import ADMIN_FILE
from config import Config
from tests.conftest import (
    ADMIN_PASSWORD,
    UserClient,
    admin_client,
    make_config,
    opened_app,
    register_user,
)
from tests.support.cli import start_flask


def test_create_admin_makes_an_account_an_admin_with_a_new_password(app: Flask) -> None:
    before = register_user(app, "ana")
    run = app.test_cli_runner().invoke(args=["create-admin", "ana", "--password", "stronger now"])
    assert run.output == "ana is an admin\n"
    assert before.call("GET", "/admin/users").status_code == 401
    assert UserClient(app, "ana", "stronger now").call("GET", "/admin/users").status_code == 200


def test_an_invalid_password_is_rejected_with_the_rule(app: Flask) -> None:
    for command in ("create-admin", "set-password"):
        run = app.test_cli_runner().invoke(args=[command, "admin", "--password", "short"])
        assert run.exit_code == 1
        assert run.output == "Error: A password has at least 8 characters\n"
    assert admin_client(app)


def test_set_password_of_an_unknown_account_is_rejected(app: Flask) -> None:
    run = app.test_cli_runner().invoke(args=["set-password", "nobody", "--password", "long enough"])
    assert run.output == "Error: There is no account with that name\n"


def test_set_password_logs_out_everywhere(app: Flask) -> None:
    ana = register_user(app, "ana")
    app.test_cli_runner().invoke(args=["set-password", "ana", "--password", "long enough"])
    assert ana.call("GET", "/predictions").status_code == 401


def test_an_unusable_database_is_reported_in_one_line(tmp_path: Path) -> None:
    with opened_app(make_config(tmp_path, DATABASE_URL="sqlite:///no/such/folder.db")) as app:
        run = app.test_cli_runner().invoke(args=["prepare"])
    assert run.exit_code == 1
    assert run.output == "Error: The database cannot be used: unable to open database file\n"


def test_an_invalid_first_admin_is_reported_in_one_line_and_leaves_no_password(
    tmp_path: Path,
) -> None:
    for setting in (
        {"ADMIN_PASSWORD": "short"},
        {"ADMIN_USERNAME": "x" * 81, "ADMIN_PASSWORD": ""},
    ):
        with opened_app(make_config(tmp_path, **setting)) as app:
            run = app.test_cli_runner().invoke(args=["prepare"])
        assert run.output.startswith("Error: ADMIN_USERNAME or ADMIN_PASSWORD: A ")
        assert run.output.count("\n") == 1
        assert not (tmp_path / ADMIN_FILE).exists()


def test_concurrent_prepares_agree_on_one_admin_and_its_password(
    tmp_path: Path, is_long: bool
) -> None:
    for round_ in range(8 if is_long else 2):
        folder = tmp_path / str(round_)
        environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder), "BCRYPT_ROUNDS": "4"}
        outputs = [tmp_path / f"{round_}-{number}" for number in range(2)]
        starts = [start_flask(environment, output, "prepare") for output in outputs]
        assert [start.wait(60) for start in starts] == [0, 0]
        assert all(str(folder / ADMIN_FILE) in output.read_text() for output in outputs)
        with opened_app(Config.from_env(environment)) as app:
            assert UserClient(app, "admin", (folder / ADMIN_FILE).read_text().strip())


def test_prepare_can_be_repeated(tmp_path: Path) -> None:
    with opened_app(make_config(tmp_path)) as app:
        first = app.test_cli_runner().invoke(args=["prepare"])
        assert first.output == "admin: admin, password from ADMIN_PASSWORD\n"
        second = app.test_cli_runner().invoke(args=["prepare"])
        assert second.output == "admin: created earlier\n"
        assert UserClient(app, "admin", ADMIN_PASSWORD)
