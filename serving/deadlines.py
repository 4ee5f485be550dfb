"""How long a client may take to send its request, and the answer to one that takes longer."""

import json
import time
from dataclasses import dataclass
from http import HTTPStatus

MIN_UPLOAD_BYTES_PER_S = 10_000  # of a body that takes longer than `body_s`, on average
RETRY_AFTER_S = 5  # when too much arrives at once
TIMED_OUT = "The request did not arrive in time"


@dataclass(frozen=True)
class Deadlines:
    """Seconds for all headers of a request, and for its body or each stretch of a long one."""

    header_s: float
    body_s: float


class BodyDeadline:
    """When a body is late, by the clock `time.monotonic`.

    Each time that `body_s` at the minimum speed have arrived, as many seconds begin again: a large
    body may take long if it keeps coming, and a beginning that came fast gains no time.
    """

    def __init__(self, body_s: float) -> None:
        self._body_s, self._bytes_in_stretch = body_s, 0
        self.deadline_s = time.monotonic() + body_s

    def add(self, size_bytes: int) -> None:
        """Count what has arrived."""
        self._bytes_in_stretch += size_bytes
        if self._bytes_in_stretch >= MIN_UPLOAD_BYTES_PER_S * self._body_s:
            self._bytes_in_stretch = 0
            self.deadline_s = time.monotonic() + self._body_s


def problem_response(status: HTTPStatus, detail: str) -> tuple[list[tuple[str, str]], bytes]:
    """Return the headers and JSON of an error that a server answers itself.

    The JSON has the keys of every error; the connection ends with it.
    """
    headers = [("Content-Type", "application/json"), ("Connection", "close")]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", str(RETRY_AFTER_S)))
    slug = status.phrase.lower().replace(" ", "-")
    body = {
        "msg": detail,
        "error": detail,  # predict routes have the message here
        "type": f"urn:cifra:problem:{slug}",
        "title": status.phrase,
        "status": status,
        "detail": detail,
    }
    return headers, json.dumps(body).encode()
