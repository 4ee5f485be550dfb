"""Accounts and logins of the Python client, against a running server."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest

from cifra_client import (
    Cifra,
    Conflict,
    InvalidInput,
    NotAuthenticated,
    NotLoggedIn,
    RateLimited,
)
from cifra_client.transport import Tokens
from tests.clients.logins import PASSWORD, new_user
from tests.support.server_process import QUICK, ROOT, Server, serve

SEVEN = ROOT / "examples" / "digits" / "7.png"


def expire(client: Cifra, server: Server) -> None:
    """Replace the client's access token by an expired one with a valid signature."""
    tokens = client._transport._current()
    claims = jwt.decode(tokens.access, options={"verify_signature": False})
    key = (server.data_dir / "jwt_secret_key").read_text().strip()
    claims["exp"] = int(time.time()) - 60
    headers = jwt.get_unverified_header(tokens.access)
    expired = jwt.encode(claims, key, headers["alg"], headers)
    client._transport._tokens = Tokens(expired, tokens.refresh)


def test_erased_account_cannot_log_in(server: Server) -> None:
    with new_user(server, "leaving") as leaving:
        leaving.erase_account()
        with pytest.raises(NotLoggedIn):
            leaving.predict(SEVEN)
        with pytest.raises(NotAuthenticated):
            leaving.login("leaving", PASSWORD)


def test_taken_username_and_weak_password_are_rejected(server: Server, client: Cifra) -> None:
    with pytest.raises(Conflict):
        client.register("admin", PASSWORD)
    with pytest.raises(InvalidInput, match="at least 8 characters"):
        client.register("someone else", "short")


def test_calls_need_a_login_and_end_with_it(server: Server) -> None:
    with Cifra(server.url) as client:
        with pytest.raises(NotLoggedIn):
            client.predict(SEVEN)
        with pytest.raises(NotAuthenticated):
            client.login("admin", "not the password")
        client.login("admin", server.admin_password)
        client.logout()
        with pytest.raises(NotLoggedIn):
            client.report()


def test_expired_login_is_renewed_once_by_many_threads(server: Server, client: Cifra) -> None:
    for _ in range(3):
        expire(client, server)
        with ThreadPoolExecutor(8) as pool:
            digits = list(pool.map(lambda _: client.predict(SEVEN).digit, range(16)))
        assert digits == [7] * 16


def test_login_that_was_ended_elsewhere_is_not_renewed(server: Server, client: Cifra) -> None:
    tokens = client._transport._current()
    expire(client, server)
    client.predict(SEVEN)
    expire(client, server)
    client._transport._tokens = Tokens(client._transport._current().access, tokens.refresh)
    with pytest.raises(NotAuthenticated):
        client.predict(SEVEN)


def test_rate_limited_call_says_when_to_retry(tmp_path: Path) -> None:
    limits = {"RATELIMIT_V1": "2 per minute"}
    with serve(tmp_path, **QUICK, **limits) as it, new_user(it, "eager") as client:
        client.predict(SEVEN, via="v1")
        client.predict(SEVEN, via="v1")
        with pytest.raises(RateLimited) as limited:
            client.predict(SEVEN, via="v1")
    assert limited.value.retry_after_s is not None
    assert 0 < limited.value.retry_after_s <= 60
