"""A client's connection: it sends requests and records what became of each."""

import time
from collections.abc import Callable
from typing import Any

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from benchmarks.history.trace import OK, REJECTED, UNKNOWN, Operation, Recorder

CONNECT_TIMEOUT_S, TIMEOUT_S = 10.0, 60.0
MAX_DOWNTIME_S = 900.0  # a restart takes minutes on a busy machine
PAUSE_S = 0.1

Parse = Callable[[requests.Response], dict[str, Any]]


class ServerGone(Exception):
    """Nothing accepted connections for MAX_DOWNTIME_S."""


class Connection:
    """One client's keep-alive connection. A request is sent once: nothing is retried unseen."""

    def __init__(self, url: str, client: str, recorder: Recorder) -> None:
        self._url, self._client, self._recorder = url, client, recorder
        self._session = requests.Session()

    def send(
        self,
        kind: str,
        request: dict[str, Any],
        call: tuple[str, str],
        parse: Parse | None = None,
        token: str | None = None,
        **body: Any,
    ) -> Operation:
        """Send a request, record it as an operation, and return that.

        `parse` takes from an acknowledging response what the checks need. Raises ServerGone.
        """
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        headers |= body.pop("headers", {})
        deadline = time.monotonic() + MAX_DOWNTIME_S
        while True:
            invoked = self._recorder.now
            try:
                response = self._session.request(
                    call[0],
                    self._url + call[1],
                    headers=headers,
                    timeout=(CONNECT_TIMEOUT_S, TIMEOUT_S),
                    **body,
                )
            except requests.RequestException as error:
                if not _was_sent(error) and time.monotonic() < deadline:
                    time.sleep(PAUSE_S)  # nothing listens, so nothing can have happened
                    continue
                if not _was_sent(error):
                    raise ServerGone from error
                return self._record(kind, request, invoked, error=type(error).__name__)
            return self._record(kind, request, invoked, response, parse)

    def _record(
        self,
        kind: str,
        request: dict[str, Any],
        invoked: float,
        response: requests.Response | None = None,
        parse: Parse | None = None,
        error: str = "",
    ) -> Operation:
        completed, status = self._recorder.now, None if response is None else response.status_code
        outcome = UNKNOWN if status is None or status >= 500 else REJECTED
        answer: dict[str, Any] = {}
        if response is not None and response.ok:
            outcome, answer = OK, parse(response) if parse else {}
        operation = Operation(
            self._client, kind, request, invoked, completed, outcome, status, answer, error
        )
        self._recorder.add(operation)
        if outcome == UNKNOWN:
            time.sleep(PAUSE_S)
        return operation


def _was_sent(error: requests.RequestException) -> bool:
    """Return whether the request may have reached the server: not if no connection was made."""
    cause = error.args[0] if error.args else None
    refused = isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
    return not refused and not isinstance(error, requests.ConnectTimeout)
