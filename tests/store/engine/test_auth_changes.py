"""The auth version advances with every change of an account or a login, and only then."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from app.domain.roles import Role
from app.services.accounts import sessions, users
from app.store.engine import auth_changes
from tests.conftest import ADMIN_PASSWORD, GoldenSet, admin_client, container_of, register_user


@pytest.fixture
def login(app: Flask) -> sessions.TokenGrant:
    with app.app_context():
        return sessions.log_in(container_of(app).hasher, "admin", ADMIN_PASSWORD, timedelta(days=1))


def changes(app: Flask, login: sessions.TokenGrant) -> dict[str, Callable[[], object]]:
    """Return all changes of an account (ana's) and of a login (the admin's)."""
    hasher, another = container_of(app).hasher, "another long password"
    own = (2, "password of ana", another)
    return {
        "logged out": lambda: sessions.log_out(login.session_id),
        "refreshed": lambda: sessions.refresh(login.session_id, login.refresh_id, timedelta(1)),
        "role": lambda: users.update(2, role=Role.REVIEWER, locked=None),
        "locked": lambda: users.update(2, role=None, locked=True),
        "deleted": lambda: users.delete(2),
        "password set": lambda: users.set_password(hasher, "ana", another),
        "own password changed": lambda: users.change_password(hasher, *own),
        "made an admin": lambda: users.create_admin(hasher, "ana", another),
    }


CHANGES = (
    "logged out",
    "refreshed",
    "role",
    "locked",
    "deleted",
    "password set",
    "own password changed",
    "made an admin",
)


@pytest.mark.parametrize("change", CHANGES)
def test_change_of_an_account_or_login_advances_the_version(
    app: Flask, login: sessions.TokenGrant, change: str
) -> None:
    register_user(app, "ana")
    before = auth_changes.auth_version()
    with app.app_context():
        changes(app, login)[change]()
    assert auth_changes.auth_version() != before


def test_predictions_and_feedback_do_not_advance_the_version(app: Flask, golden: GoldenSet) -> None:
    ana = register_user(app, "ana")
    before = auth_changes.auth_version()
    made = ana.predict("ab", golden.png(0)).get_json()
    feedback = {"prediction_id": made["prediction_id"], "correct": True}
    assert ana.call("POST", "/feedback", json=feedback).status_code == 201
    assert admin_client(app).call("GET", "/admin/report").status_code == 200
    assert auth_changes.auth_version() == before


def test_rollback_does_not_advance_the_version(app: Flask) -> None:
    before = auth_changes.auth_version()
    with app.app_context(), pytest.raises(Exception, match="last admin"):
        users.update(1, role=Role.USER, locked=None)
    register_user(app, "ana")
    assert auth_changes.auth_version() == before
