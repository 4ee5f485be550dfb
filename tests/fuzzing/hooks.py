"""Hooks for schemathesis: logins, images, and a check that bad tokens are rejected.

They run in schemathesis' process. CIFRA_URL is the server. CIFRA_USERNAME and CIFRA_PASSWORD are
the login of the run; without these the run has no login.
"""

import io
import os
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import requests
import schemathesis
from hypothesis import strategies
from PIL import Image
from schemathesis import AuthContext, Case, CheckContext, HookContext, Response

from app.api.openapi.operations import IMAGE_TYPES
from app.training.datasets import MNIST

URL = os.environ["CIFRA_URL"]
USERNAME = os.environ.get("CIFRA_USERNAME")
PASSWORD = os.environ.get("CIFRA_PASSWORD", "")

# These end the login or the account that they are called with, so each gets a new one.
REVOKING = {("POST", "/logout"), ("POST", "/password"), ("DELETE", "/me")}
NEW_USER_PASSWORD = "the password of a new user"
REFRESH = ("POST", "/refresh")

_numbers = count()
_checked: set[str] = set()


def log_in(username: str, password: str) -> dict[str, str]:
    """Log in; return the tokens."""
    credentials = {"username": username, "password": password}
    answer = requests.post(f"{URL}/login", json=credentials, timeout=30)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


def log_in_new_user() -> dict[str, str]:
    """Return the tokens of an account that nothing else uses."""
    name = f"user {os.getpid()} {next(_numbers)}"
    sent = {"username": name, "password": NEW_USER_PASSWORD}
    assert requests.post(f"{URL}/register", json=sent, timeout=30).status_code == 201
    return log_in(**sent)


@cache
def own_tokens() -> dict[str, str]:
    """Return the tokens of the run."""
    return log_in(str(USERNAME), PASSWORD)


@cache
def own_id() -> int:
    """Return the id of the run's account."""
    headers = {"Authorization": f"Bearer {own_tokens()['access_token']}"}
    return int(requests.get(f"{URL}/me", headers=headers, timeout=30).json()["id"])


@cache
def revoked_tokens() -> dict[str, str]:
    """Return the tokens of a revoked login."""
    tokens = log_in_new_user()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert requests.post(f"{URL}/logout", headers=headers, timeout=30).status_code == 200
    return tokens


def operation_key(call: AuthContext | HookContext | Case) -> tuple[str, str]:
    """Return the method and the path of a call's operation."""
    return call.operation.method.upper(), call.operation.path


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Put the right old password into requests that change it."""
    is_known = operation_key(context) == ("POST", "/password") and isinstance(body, dict)
    if is_known and isinstance(body.get("old_password"), str):
        return body | {"old_password": NEW_USER_PASSWORD}
    return body


if USERNAME is not None:

    @schemathesis.auth(refresh_interval=None)
    class Login:
        """Authenticates each call, mostly as the run's account."""

        def get(self, _: Case, context: AuthContext) -> str:
            """Return the token for a call."""
            key = operation_key(context)
            if key == REFRESH:
                return log_in_new_user()["refresh_token"]
            tokens = log_in_new_user() if key in REVOKING else own_tokens()
            return tokens["access_token"]

        def set(self, case: Case, token: str, _: AuthContext) -> None:
            """Put the token into the header."""
            case.headers["Authorization"] = f"Bearer {token}"

    @schemathesis.hook
    def filter_case(_: object, case: Case) -> bool:
        """Keep the run from locking or demoting itself."""
        return (case.path_parameters or {}).get("user_id") != own_id()


@schemathesis.check
def bad_tokens_are_rejected(_: CheckContext, response: Response, case: Case) -> None:
    """Check that an operation rejects a missing, a malformed and a revoked token."""
    operation = case.operation
    needs_token = bool(operation.definition.raw.get("security"))
    is_accepted = response.status_code < 400 and response.request.method != "OPTIONS"
    if not is_accepted or not needs_token or operation.label in _checked:
        return
    assert USERNAME is not None, "accepted without a token"
    revoked = revoked_tokens()[
        "refresh_token" if operation_key(case) == REFRESH else "access_token"
    ]
    for token, status in ((None, 401), ("not a token", 422), (revoked, 401)):
        again = response.request.copy()
        again.headers.pop("Authorization", None)
        if token is not None:
            again.headers["Authorization"] = f"Bearer {token}"
        answer = requests.Session().send(again, timeout=30)
        assert answer.status_code == status, f"{token}: {answer.status_code} {answer.text}"
    _checked.add(operation.label)


def sample_images(image_format: str) -> list[bytes]:
    """Return a few digits as files of a format."""
    with np.load(MNIST) as archive:
        digits = archive["x_test"][:20]
    files = []
    for digit in digits:
        file = io.BytesIO()
        Image.fromarray(digit).save(file, image_format)
        files.append(file.getvalue())
    return files


for _format in IMAGE_TYPES:
    schemathesis.openapi.media_type(
        f"image/{_format}", strategies.sampled_from(sample_images(_format))
    )
schemathesis.openapi.format("binary", strategies.sampled_from(sample_images("png")))
