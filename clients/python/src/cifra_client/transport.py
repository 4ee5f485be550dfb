"""Requests to one Cifra: timeouts, careful repeats, errors, and a login that renews itself."""

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
    """A login: what each call carries, and what renews it."""

    access: str
    refresh: str


class Transport:
    """What sends the calls of a client; may be used from several threads."""

    def __init__(self, url: str, timeout_s: float) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError(f"not an http or https address: {url!r}")
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=_retry_policy()))
        self._tokens: Tokens | None = None
        self._renew_lock = threading.Lock()

    @property
    def access_token(self) -> str:
        """The token that calls carry now. Raises NotLoggedIn."""
        return self._current().access

    def log_in(self, username: str, password: str) -> None:
        """Log in; the tokens stay in memory. Raises ApiError, Unreachable."""
        credentials = {"username": username, "password": password}
        self._tokens = _parse_tokens(self.call_without_login("POST", "/login", credentials))

    def discard_tokens(self) -> None:
        """Drop the tokens."""
        self._tokens = None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def call_without_login(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Call without a login. Raises ApiError, Unreachable, UnexpectedResponse."""
        return _json(_raise_for_status(self._send(method, path, None, json=body)))

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        files: Sequence[File] | None = None,
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Call with the login. Raises NotLoggedIn, ApiError, Unreachable, UnexpectedResponse."""
        return _json(self.fetch(method, path, body, files, query))

    def fetch(
        self,
        method: str,
        path: str,
        body: object = None,
        files: Sequence[File] | None = None,
        query: dict[str, str] | None = None,
    ) -> requests.Response:
        """Call with the login, for an answer of any kind; a login that expired is renewed once."""
        tokens, sent = self._current(), {"json": body, "files": files, "params": query}
        answer = self._send(method, path, tokens.access, **sent)
        if _has_expired(answer):
            answer = self._send(method, path, self._renew(tokens).access, **sent)
        return _raise_for_status(answer)

    def _current(self) -> Tokens:
        if self._tokens is None:
            raise NotLoggedIn
        return self._tokens

    def _renew(self, spent: Tokens) -> Tokens:
        """The next tokens. A refresh token is good once, so one thread alone exchanges it."""
        with self._renew_lock:
            if self._current() is spent:
                answer = self._send("POST", "/refresh", spent.refresh)
                self._tokens = _parse_tokens(_json(_raise_for_status(answer)))
            return self._current()

    def _send(self, method: str, path: str, token: str | None, **sent: Any) -> requests.Response:
        try:
            return self._session.request(
                method,
                self.url + path,
                auth=_Bearer(token),
                timeout=self._timeout_s,
                allow_redirects=False,
                **sent,
            )
        except requests.RequestException as error:
            raise Unreachable(f"{method} {self.url}{path}: {error}") from error


class _Bearer(requests.auth.AuthBase):
    """A request's login; given even where there is none, so that no .netrc is asked for one."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _RetryPolicy(Retry):
    """Repeats of calls that never arrived, and of GETs that broke off or are to come back later."""

    RETRY_AFTER_STATUS_CODES = frozenset({503})

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """How long the server asks to wait, within bounds."""
        asked_s = super().get_retry_after(response)
        return None if asked_s is None else min(asked_s, MAX_RETRY_AFTER_S)


def _retry_policy() -> Retry:
    return _RetryPolicy(
        total=RETRIES,
        backoff_factor=BACKOFF_FACTOR_S,
        allowed_methods={"GET"},
        raise_on_status=False,
    )


def _raise_for_status(answer: requests.Response) -> requests.Response:
    """The answer, unless it is an error. Raises ApiError, in the class of its status."""
    if 200 <= answer.status_code < 300:
        return answer
    told = _error_body(answer)
    raise ApiError.of(
        answer.status_code,
        str(told.get("title") or answer.reason),
        str(told.get("detail") or told.get("msg") or told.get("error") or "no details given"),
        told.get("request_id") or answer.headers.get("X-Request-ID"),
        _parse_seconds(answer.headers.get("Retry-After")),
    )


def _error_body(answer: requests.Response) -> dict[str, Any]:
    """The error's body; empty where it is none of Cifra's."""
    try:
        told = answer.json()
    except requests.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _has_expired(answer: requests.Response) -> bool:
    return answer.status_code == 401 and _error_body(answer).get("detail") == _EXPIRED_DETAIL


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except requests.JSONDecodeError as error:
        raise UnexpectedResponse(f"{answer.url} did not answer with JSON") from error
    if not isinstance(told, dict):
        raise UnexpectedResponse(f"{answer.url} did not answer with a JSON object")
    return told


def _parse_tokens(told: dict[str, Any]) -> Tokens:
    try:
        return Tokens(told["access_token"], told["refresh_token"])
    except KeyError as error:
        raise UnexpectedResponse(f"the login has no {error}") from error


def _parse_seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isascii() and header.isdigit() else None
