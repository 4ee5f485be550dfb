"""One HTTP request while it arrives: its bytes, where it ends, and how long it may still take.

This finds the end of a request and nothing else: gunicorn's parser then reads exactly these bytes,
and decides whether they are valid. What could never become valid counts as complete, so that the
parser rejects it at once. Large bodies wait in temporary files.
"""

import tempfile
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import IO

from serving.deadlines import BodyDeadline, Deadlines

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 16 * 1024 * 1024 + 1  # more than any route accepts
MAX_SPOOLED_BYTES = 256 * 1024 * 1024  # in files, of all requests together
_MAX_LINE_BYTES = 8 * 1024
_MAX_OVERHEAD_BYTES = 256 * 1024  # around the chunks of a body; each costs processor time
_IN_MEMORY_BYTES = 64 * 1024
_READ_BYTES = 256 * 1024
_HEX_DIGITS = b"0123456789abcdefABCDEF"
_BUSY = "Too many large requests are arriving at once; try again in a moment"
_NO_SPACE = "There is no space for large requests on this server; try again later"
_HEAD_TOO_LARGE = "The headers are larger than 64 KiB"
_TOO_LARGE = "The body consists of too many small chunks; send it in larger ones"


class RequestRejected(Exception):
    """A request that the server rejects itself, with this status and reason."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Spool:
    """The space that large bodies take in temporary files, limited in all."""

    def __init__(self, max_bytes: int = MAX_SPOOLED_BYTES) -> None:
        self._free_bytes, self._lock = max_bytes, threading.Lock()

    def take(self, size_bytes: int) -> None:
        """Take space. Raises RequestRejected if there is none."""
        with self._lock:
            if size_bytes > self._free_bytes:
                raise RequestRejected(HTTPStatus.SERVICE_UNAVAILABLE, _BUSY)
            self._free_bytes -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Give space back."""
        with self._lock:
            self._free_bytes += size_bytes


class RequestBuffer:
    """A request whose bytes are fed to it until it is complete."""

    def __init__(self, deadlines: Deadlines, spool: Spool) -> None:
        self._deadlines, self._spool = deadlines, spool
        self._started_at_s = time.monotonic()
        self._memory = bytearray()  # the head, then as much of the body as is not in the file
        self._whole = b""  # instead of these, if all of it arrived at once
        self._file: IO[bytes] | None = None
        self._file_bytes = 0
        self._head_bytes: int | None = None  # once it is known where the head ends
        self._body_bytes: int | None = None  # its length, if that was announced
        self._body_deadline: BodyDeadline | None = None
        self._chunks: _ChunkScanner | None = None
        self.is_complete = False
        self.is_truncated = False  # there is more that nobody will read
        self.expects_continue = False
        self.rest = b""  # what arrived after this request

    @property
    def is_empty(self) -> bool:
        """Return whether nothing has arrived yet."""
        return not self._memory and not self._whole

    @property
    def deadline_s(self) -> float:
        """Return when the request is late, by the clock `time.monotonic`."""
        if self._body_deadline is not None:
            return self._body_deadline.deadline_s
        return self._started_at_s + self._deadlines.header_s

    def feed(self, data: bytes) -> None:
        """Add what arrived. Raises RequestRejected."""
        if self._head_bytes is not None:
            self._add_to_body(data)
            return
        if self.is_empty:
            if _is_whole_request(data):
                self._whole, self.is_complete = data, True
                return
            self._started_at_s = time.monotonic()
        searched = max(0, len(self._memory) - 3)
        self._memory += data
        end = self._memory.find(b"\r\n\r\n", searched)
        if end >= 0:
            self._end_head(end + 4)
        elif len(self._memory) > MAX_HEAD_BYTES:
            raise RequestRejected(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _HEAD_TOO_LARGE)
        elif _can_never_be_valid(self._memory):
            self._complete(is_truncated=True)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the complete request."""
        yield self._whole or bytes(self._memory)
        if self._file is not None:
            self._file.seek(0)
            while piece := self._file.read(_READ_BYTES):
                yield piece

    def close(self) -> None:
        """Free what the body takes."""
        if self._file is not None:
            self._file.close()
        self._spool.give_back(self._file_bytes)
        self._file, self._file_bytes = None, 0

    @property
    def _received_body_bytes(self) -> int:
        return len(self._memory) - (self._head_bytes or 0) + self._file_bytes

    @property
    def _overhead_bytes(self) -> int:
        content_bytes = self._chunks.content_bytes if self._chunks else self._received_body_bytes
        return self._received_body_bytes - content_bytes

    def _end_head(self, head_bytes: int) -> None:
        self._body_deadline = BodyDeadline(self._deadlines.body_s)
        body = bytes(self._memory[head_bytes:])
        del self._memory[head_bytes:]
        self._head_bytes = head_bytes
        fields = bytes(self._memory).lower()
        self.expects_continue = _expects_continue(fields)
        if b"\r\ntransfer-encoding:" in fields:
            self._chunks = _ChunkScanner()
        else:
            self._body_bytes = _content_length(fields)
            if self._body_bytes > MAX_BODY_BYTES:
                self._complete(is_truncated=True)
                return
        self._add_to_body(body)

    def _add_to_body(self, data: bytes) -> None:
        if self._chunks is None:
            missing = (self._body_bytes or 0) - self._received_body_bytes
            is_complete, used = len(data) >= missing, min(len(data), missing)
        else:
            used, is_complete = self._chunks.scan(data)
        self._store(data if used == len(data) else data[:used])
        if is_complete:
            self.rest = data[used:]
            self._complete(is_truncated=self._chunks is not None and self._chunks.is_malformed)
        elif self._chunks is not None and self._chunks.content_bytes >= MAX_BODY_BYTES:
            self._complete(is_truncated=True)
        elif self._overhead_bytes > _MAX_OVERHEAD_BYTES:
            raise RequestRejected(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)

    def _store(self, data: bytes) -> None:
        if self._body_deadline is not None:
            self._body_deadline.add(len(data))
        if self._file is None and self._received_body_bytes + len(data) <= _IN_MEMORY_BYTES:
            self._memory += data
            return
        self._spool.take(len(data))
        self._file_bytes += len(data)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  see `close`
            has_space = self._file.write(data) == len(data)
        except OSError:
            has_space = False
        if not has_space:
            raise RequestRejected(HTTPStatus.SERVICE_UNAVAILABLE, _NO_SPACE)

    def _complete(self, *, is_truncated: bool) -> None:
        self.is_complete, self.is_truncated = True, is_truncated


class _ChunkScanner:
    """Finds the end of a chunked body; a malformed one ends where that is noticed."""

    def __init__(self) -> None:
        self._line = bytearray()  # the beginning of a line, of which the rest has not arrived
        self._missing_bytes = 0  # of the present chunk
        self._read_line = self._read_size
        self._announced_bytes = 0  # of all chunks so far
        self.is_malformed = False

    @property
    def content_bytes(self) -> int:
        """Return how many bytes have arrived, without what is around the chunks."""
        return self._announced_bytes - self._missing_bytes

    def scan(self, data: bytes) -> tuple[int, bool]:
        """Return how many of these bytes belong to the body, and whether that is all of it."""
        at = 0
        while at < len(data):
            if self._missing_bytes:
                step = min(self._missing_bytes, len(data) - at)
                self._missing_bytes -= step
                at += step
                continue
            end = data.find(b"\n", at)
            self._line += data[at : end + 1 or None]
            at = end + 1 or len(data)
            if len(self._line) > _MAX_LINE_BYTES or (end >= 0 and self._line[-2:] != b"\r\n"):
                self.is_malformed = True
            if self.is_malformed or (end >= 0 and self._ends_body()):
                return at, True
        return at, False

    def _ends_body(self) -> bool:
        line = bytes(self._line[:-2])
        self._line.clear()
        return self._read_line(line) or self.is_malformed

    def _read_size(self, line: bytes) -> bool:
        size, *extensions = line.split(b";", 1)
        if extensions:
            size = size.rstrip(b" \t")
        self.is_malformed = not 0 < len(size) <= 8 or bool(size.strip(_HEX_DIGITS))
        if not self.is_malformed:
            self._missing_bytes = int(size, 16)
            self._announced_bytes += self._missing_bytes
            self._read_line = self._read_end if self._missing_bytes else self._read_trailer
        return False

    def _read_end(self, line: bytes) -> bool:
        self.is_malformed = bool(line)
        self._read_line = self._read_size
        return False

    @staticmethod
    def _read_trailer(line: bytes) -> bool:
        return not line


def _can_never_be_valid(head: bytearray) -> bool:
    """Return whether the beginning of a head is such that the parser will reject it."""
    has_bare_line_feed = head.count(b"\n") != head.count(b"\r\n")
    return has_bare_line_feed or (len(head) > _MAX_LINE_BYTES and b"\r\n" not in head)


def _is_whole_request(data: bytes) -> bool:
    """Return whether this is exactly a request, as nearly all arrive; this costs them little."""
    head_bytes = data.find(b"\r\n\r\n") + 4
    if head_bytes < 4 or head_bytes > MAX_HEAD_BYTES:
        return False
    fields = data[:head_bytes].lower()
    is_chunked = b"\r\ntransfer-encoding:" in fields
    return not is_chunked and _content_length(fields) == len(data) - head_bytes


def _expects_continue(fields: bytes) -> bool:
    """Return whether a head in small letters is that of a client that waits for "100 Continue"."""
    _, *values = fields.split(b"\r\nexpect:")
    if not values or fields.split(b"\r\n", 1)[0].endswith(b"http/1.0"):
        return False
    return values[0].split(b"\r\n", 1)[0].strip(b" \t") == b"100-continue"


def _content_length(fields: bytes) -> int:
    """Return the length that a head in small letters announces; 0 for one that will be rejected."""
    _, *values = fields.split(b"\r\ncontent-length:")
    if len(values) != 1:
        return 0
    digits = values[0].split(b"\r\n", 1)[0].strip(b" \t")
    if not digits.isdigit():
        return 0
    return int(digits) if len(digits) < 19 else MAX_BODY_BYTES + 1
