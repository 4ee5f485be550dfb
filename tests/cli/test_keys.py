"""Rotation of the signing key beside a running server: nobody is logged out."""

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from flask import Flask

from app.services.accounts.signing_keys import Key
from tests.conftest import (
    ADMIN_PASSWORD,
    SECRETS,
    UserClient,
    admin_client,
    bootstrapped_app,
    make_config,
    register_user,
)
from tests.support.cli import run_flask
from tests.support.server_process import UNLIMITED, serve


def header_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.get_unverified_header(token)
    return found


def status(app: Flask, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    answer = app.test_client().get("/predictions", headers=headers)
    if answer.status_code == 422:
        assert answer.get_json()["msg"] == "Invalid token"
    return answer.status_code


@pytest.mark.slow
def test_a_running_server_loads_a_rotated_key_and_logs_nobody_out(tmp_path: Path) -> None:
    with serve(tmp_path, **UNLIMITED) as server:
        ana = server.register("ana")
        old_kid = header_of(ana.tokens["access_token"])["kid"]
        rotated = run_flask(tmp_path, "rotate-key")
        assert rotated.returncode == 0, rotated.stderr
        assert f"{old_kid} is trusted until " in rotated.stdout
        new_kid = Key((tmp_path / "jwt_secret_key").read_text()).kid
        assert rotated.stdout.startswith(f"tokens are now signed with {new_kid}\n")
        assert ana.call("GET", "/predictions").status_code == 200
        headers = {"Authorization": f"Bearer {ana.tokens['refresh_token']}"}
        refreshed = requests.post(f"{server.url}/refresh", headers=headers, timeout=30)
        assert refreshed.status_code == 200
        bea = server.register("bea")
        for tokens in (refreshed.json(), bea.tokens):
            assert {header_of(token)["kid"] for token in tokens.values()} == {new_kid}
        assert bea.call("GET", "/predictions").status_code == 200
        leaked = run_flask(tmp_path, "rotate-key", "--leaked")
        assert leaked.returncode == 0
        assert "is trusted" not in leaked.stdout
        for person in (ana, bea):
            assert person.call("GET", "/predictions").status_code == 422
        back = server.login("ana", "password of ana")
        assert back.call("GET", "/predictions").status_code == 200


def test_rotate_key_explains_how_to_change_keys_in_the_settings(tmp_path: Path) -> None:
    rejected = run_flask(tmp_path, "rotate-key", **SECRETS)
    assert rejected.returncode == 1
    assert "Nothing was changed yet" in rejected.stderr
    assert "JWT_PREVIOUS_KEYS" in rejected.stderr
    assert SECRETS["JWT_SECRET_KEY"] not in rejected.stderr
    assert list(tmp_path.glob("jwt_*")) == []


def test_previous_keys_of_the_settings_are_trusted(tmp_path: Path) -> None:
    old, new = "the-old-key-of-32-bytes-or-even-more", "the-new-key-of-32-bytes-or-even-more"
    with bootstrapped_app(make_config(tmp_path, JWT_SECRET_KEY=old)) as app:
        token = admin_client(app).tokens["access_token"]
    for previous, expected in ((f"{'x' * 32}, {old}", 200), ("", 422)):
        more = {"JWT_SECRET_KEY": new, "JWT_PREVIOUS_KEYS": previous}
        with bootstrapped_app(make_config(tmp_path, **more)) as app:
            assert status(app, token) == expected
            made = UserClient(app, "admin", ADMIN_PASSWORD).tokens["access_token"]
            assert header_of(made)["kid"] == Key(new).kid


@pytest.fixture
def token(app: Flask) -> str:
    """Return a valid access token, signed with the key of the settings."""
    return register_user(app, "ana").tokens["access_token"]


def sign_again(token: str, key: str, **header: Any) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, key, "HS256", headers=header)


def test_a_token_without_key_id_is_accepted(app: Flask, token: str) -> None:
    before = sign_again(token, SECRETS["JWT_SECRET_KEY"])
    assert "kid" not in header_of(before)
    assert status(app, before) == 200
    assert status(app, sign_again(token, "another key, of 32 bytes at least")) == 422


def forge(header: dict[str, Any], token: str, key: str) -> str:
    """Return a token with the same claims, another header, and a valid HS256 signature."""
    signed = f"{base64url(json.dumps(header).encode())}.{token.split('.')[1]}"
    return f"{signed}.{base64url(hmac.digest(key.encode(), signed.encode(), 'sha256'))}"


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize("kid", ["00000000", "", "../../etc/passwd", "\N{SNOWMAN}", 5, ["a"]])
def test_an_unknown_key_id_is_rejected_as_a_malformed_token(
    app: Flask, token: str, kid: object
) -> None:
    key, header = SECRETS["JWT_SECRET_KEY"], header_of(token)
    assert status(app, forge(header, token, key)) == 200
    assert status(app, forge(header | {"kid": kid}, token, key)) == 422


@pytest.mark.parametrize("algorithm", ["none", "None", "HS512", "RS256", ""])
def test_another_algorithm_is_rejected_as_a_malformed_token(
    app: Flask, token: str, algorithm: str
) -> None:
    key, header = SECRETS["JWT_SECRET_KEY"], header_of(token) | {"alg": algorithm}
    forged = forge(header, token, key)
    assert status(app, forged) == 422
    assert status(app, forged.rpartition(".")[0] + ".") == 422
    claims = jwt.decode(token, options={"verify_signature": False})
    if algorithm == "HS512":
        assert status(app, jwt.encode(claims, key * 2, algorithm, headers=header)) == 422
