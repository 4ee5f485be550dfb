"""What schemathesis has to know of Cifra: logins, pictures, and that bad tokens open nothing.

Runs in a process of schemathesis. CIFRA_URL is the server, CIFRA_USERNAME and CIFRA_PASSWORD are
the login of the run; without these nobody is logged in.
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

# These end the login or the account that they are called with: they get one of their own.
ENDING = {("POST", "/logout"), ("POST", "/password"), ("DELETE", "/me")}
PASSER_BY = "the password of a passer-by"
REFRESHING = ("POST", "/refresh")

_numbers = count()
_refused: set[str] = set()


def log_in(username: str, password: str) -> dict[str, str]:
    """The tokens of a new login."""
    credentials = {"username": username, "password": password}
    answer = requests.post(f"{URL}/login", json=credentials, timeout=30)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


def log_in_somebody_new() -> dict[str, str]:
    """The tokens of an account that nothing else uses."""
    name = f"passer-by {os.getpid()} {next(_numbers)}"
    sent = {"username": name, "password": PASSER_BY}
    assert requests.post(f"{URL}/register", json=sent, timeout=30).status_code == 201
    return log_in(**sent)


@cache
def own_tokens() -> dict[str, str]:
    """The tokens of the run."""
    return log_in(str(USERNAME), PASSWORD)


@cache
def own_id() -> int:
    """The id of the run's account."""
    headers = {"Authorization": f"Bearer {own_tokens()['access_token']}"}
    return int(requests.get(f"{URL}/me", headers=headers, timeout=30).json()["id"])


@cache
def ended_tokens() -> dict[str, str]:
    """The tokens of a login that has ended."""
    tokens = log_in_somebody_new()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert requests.post(f"{URL}/logout", headers=headers, timeout=30).status_code == 200
    return tokens


def where_of(call: AuthContext | HookContext | Case) -> tuple[str, str]:
    """The method and the path of a call's operation."""
    return call.operation.method.upper(), call.operation.path


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Let those who change their password know the old one."""
    is_known = where_of(context) == ("POST", "/password") and isinstance(body, dict)
    if is_known and isinstance(body.get("old_password"), str):
        return body | {"old_password": PASSER_BY}
    return body


if USERNAME is not None:

    @schemathesis.auth(refresh_interval=None)
    class Login:
        """Logs each call in: most as the run's account."""

        def get(self, _: Case, context: AuthContext) -> str:
            """The token for a call."""
            where = where_of(context)
            if where == REFRESHING:
                return log_in_somebody_new()["refresh_token"]
            tokens = log_in_somebody_new() if where in ENDING else own_tokens()
            return tokens["access_token"]

        def set(self, case: Case, token: str, _: AuthContext) -> None:
            """Put it into the header."""
            case.headers["Authorization"] = f"Bearer {token}"

    @schemathesis.hook
    def filter_case(_: object, case: Case) -> bool:
        """Keep the run from locking or demoting itself."""
        return (case.path_parameters or {}).get("user_id") != own_id()


@schemathesis.check
def bad_tokens_are_refused(_: CheckContext, response: Response, case: Case) -> None:
    """What answers a good token refuses none, a malformed one, and one of a login that ended."""
    operation = case.operation
    wants_token = bool(operation.definition.raw.get("security"))
    is_answered = response.status_code < 400 and response.request.method != "OPTIONS"
    if not is_answered or not wants_token or operation.label in _refused:
        return
    assert USERNAME is not None, "it answered without a token"
    ended = ended_tokens()["refresh_token" if where_of(case) == REFRESHING else "access_token"]
    for token, status in ((None, 401), ("not a token", 422), (ended, 401)):
        again = response.request.copy()
        again.headers.pop("Authorization", None)
        if token is not None:
            again.headers["Authorization"] = f"Bearer {token}"
        answer = requests.Session().send(again, timeout=30)
        assert answer.status_code == status, f"{token}: {answer.status_code} {answer.text}"
    _refused.add(operation.label)


def pictures(kind: str) -> list[bytes]:
    """A few digits as files of a kind."""
    with np.load(MNIST) as archive:
        digits = archive["x_test"][:20]
    files = []
    for digit in digits:
        file = io.BytesIO()
        Image.fromarray(digit).save(file, kind)
        files.append(file.getvalue())
    return files


for _kind in IMAGE_TYPES:
    schemathesis.openapi.media_type(f"image/{_kind}", strategies.sampled_from(pictures(_kind)))
schemathesis.openapi.format("binary", strategies.sampled_from(pictures("png")))
