"""HTTP requests to a Cifra server: timeouts, safe retries, errors, and token renewal."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.util.retry import Retry

from cifra_client.errors import ApiError, NotLoggedIn, UnexpectedResponse, Unreachable

RETRIES, BACKOFF_FACTOR_S, MAX_RETRY_AFTER_S = 2, 0.5, 10.0

_EXPIRED_DETAIL = "Token has expired"

File = tuple[str, tuple[str, bytes]]
"""A part of a form: its name, and the file's name with its bytes."""


@dataclass(frozen=True)
class Tokens:
    """A login: the access token that each call carries, and the refresh token that renews it."""

    access: str
    refresh: str


class Transport:
    """Sends a client's calls; may be used from several threads."""

    def __init__(self, url: str, timeout_s: float) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError(f"not an http or https URL: {url!r}")
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=_retry_policy()))
        self._tokens: Tokens | None = None
        self._renew_lock = threading.Lock()

    @property
    def access_token(self) -> str:
        """The current access token. Raises NotLoggedIn."""
        return self._current().access

    def log_in(self, username: str, password: str) -> None:
        """Log in; the tokens are kept in memory. Raises ApiError, Unreachable."""
        credentials = {"username": username, "password": password}
        self._tokens = _parse_tokens(self.call_without_login("POST", "/login", credentials))

    def discard_tokens(self) -> None:
        """Discard the tokens."""
        self._tokens = None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def call_without_login(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send a call without a login. Raises ApiError, Unreachable, UnexpectedResponse."""
        return _json(_raise_for_status(self._send(method, path, None, json=body)))

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        files: Sequence[File] | None = None,
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send a call with the login.

        Raises NotLoggedIn, ApiError, Unreachable, UnexpectedResponse.
        """
        return _json(self.fetch(method, path, body, files, query))

    def fetch(
        self,
        method: str,
        path: str,
        body: object = None,
        files: Sequence[File] | None = None,
        query: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send a call with the login, for any kind of response; renew an expired login once."""
        tokens, arguments = self._current(), {"json": body, "files": files, "params": query}
        response = self._send(method, path, tokens.access, **arguments)
        if _has_expired(response):
            response = self._send(method, path, self._renew(tokens).access, **arguments)
        return _raise_for_status(response)

    def _current(self) -> Tokens:
        if self._tokens is None:
            raise NotLoggedIn
        return self._tokens

    def _renew(self, expired: Tokens) -> Tokens:
        """Return the next tokens. A refresh token works once, so only one thread exchanges it."""
        with self._renew_lock:
            if self._current() is expired:
                response = self._send("POST", "/refresh", expired.refresh)
                self._tokens = _parse_tokens(_json(_raise_for_status(response)))
            return self._current()

    def _send(
        self, method: str, path: str, token: str | None, **arguments: Any
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                self.url + path,
                auth=_Bearer(token),
                timeout=self._timeout_s,
                allow_redirects=False,
                **arguments,
            )
        except requests.RequestException as error:
            raise Unreachable(f"{method} {self.url}{path}: {error}") from error


class _Bearer(requests.auth.AuthBase):
    """Adds the access token; used even without one, so that requests does not look into .netrc."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _RetryPolicy(Retry):
    """Retries of calls that never arrived, and of GETs that broke off or got a 503."""

    RETRY_AFTER_STATUS_CODES = frozenset({503})

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Return how long the server asks to wait, limited to MAX_RETRY_AFTER_S."""
        asked_s = super().get_retry_after(response)
        return None if asked_s is None else min(asked_s, MAX_RETRY_AFTER_S)


def _retry_policy() -> Retry:
    return _RetryPolicy(
        total=RETRIES,
        backoff_factor=BACKOFF_FACTOR_S,
        allowed_methods={"GET"},
        raise_on_status=False,
    )


def _raise_for_status(response: requests.Response) -> requests.Response:
    """Return a successful response. Raises ApiError, in the class of its status."""
    if 200 <= response.status_code < 300:
        return response
    body = _error_body(response)
    raise ApiError.of(
        response.status_code,
        str(body.get("title") or response.reason),
        str(body.get("detail") or body.get("msg") or body.get("error") or "no details given"),
        body.get("request_id") or response.headers.get("X-Request-ID"),
        _parse_seconds(response.headers.get("Retry-After")),
    )


def _error_body(response: requests.Response) -> dict[str, Any]:
    """Return the error's JSON object; empty if it is not one of Cifra's."""
    try:
        body = response.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _has_expired(response: requests.Response) -> bool:
    return response.status_code == 401 and _error_body(response).get("detail") == _EXPIRED_DETAIL


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except requests.JSONDecodeError as error:
        raise UnexpectedResponse(f"{response.url} did not respond with JSON") from error
    if not isinstance(body, dict):
        raise UnexpectedResponse(f"{response.url} did not respond with a JSON object")
    return body


def _parse_tokens(body: dict[str, Any]) -> Tokens:
    try:
        return Tokens(body["access_token"], body["refresh_token"])
    except KeyError as error:
        raise UnexpectedResponse(f"the login response has no {error}") from error


def _parse_seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isascii() and header.isdigit() else None
