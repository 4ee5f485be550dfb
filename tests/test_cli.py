"""The commands for operators."""

from flask import Flask

from app import create_app
from tests.conftest import ADMIN_PASSWORD, Person, admin_of, register, settings


def test_create_admin_makes_an_account_an_admin_with_a_new_password(app: Flask) -> None:
    before = register(app, "ana")
    run = app.test_cli_runner().invoke(args=["create-admin", "ana", "--password", "stronger now"])
    assert run.output == "ana is an admin\n"
    assert before.call("GET", "/admin/users").status_code == 401
    assert Person(app, "ana", "stronger now").call("GET", "/admin/users").status_code == 200


def test_a_password_that_breaks_a_rule_is_refused_with_it(app: Flask) -> None:
    for command in ("create-admin", "set-password"):
        run = app.test_cli_runner().invoke(args=[command, "admin", "--password", "short"])
        assert run.exit_code == 1
        assert run.output == "Error: A password has at least 8 characters\n"
    assert admin_of(app)


def test_set_password_for_nobody_is_refused(app: Flask) -> None:
    run = app.test_cli_runner().invoke(args=["set-password", "nobody", "--password", "long enough"])
    assert run.output == "Error: There is no account of that name\n"


def test_set_password_logs_out_everywhere(app: Flask) -> None:
    ana = register(app, "ana")
    app.test_cli_runner().invoke(args=["set-password", "ana", "--password", "long enough"])
    assert ana.call("GET", "/predictions").status_code == 401


def test_prepare_may_be_run_again_and_again(tmp_path: object) -> None:
    app = create_app(settings(tmp_path))
    first = app.test_cli_runner().invoke(args=["prepare"])
    assert first.output == "admin: admin, password from ADMIN_PASSWORD\n"
    second = app.test_cli_runner().invoke(args=["prepare"])
    assert second.output == "admin: made earlier\n"
    assert Person(app, "admin", ADMIN_PASSWORD)
