"""Where a request ends, how long it may take, and what its body takes up, without a server."""

import errno
import tempfile
import time
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.http.request_parsing import MAX_BATCH_BODY_BYTES
from serving.deadlines import MIN_UPLOAD_BYTES_PER_S, Deadlines
from serving.request_buffer import MAX_BODY_BYTES, RequestBuffer, RequestRejected, Spool

DEADLINES = Deadlines(header_s=10, body_s=15)
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNKS = b"5;a=b\r\nhello\r\n1\r\n \r\n0\r\nTrailer: x\r\n\r\n"


def new_buffer(spool: Spool | None = None) -> RequestBuffer:
    return RequestBuffer(DEADLINES, spool or Spool())


def feed_all(buffer: RequestBuffer, *pieces: bytes) -> bytes:
    """Feed pieces until the request is complete; return its bytes."""
    for piece in pieces:
        assert not buffer.is_complete
        buffer.feed(piece)
    assert buffer.is_complete
    found = b"".join(buffer.pieces())
    buffer.close()
    return found


@pytest.mark.parametrize("request_bytes", [GET, POST, CHUNKED + CHUNKS, CHUNKED + b"0\r\n\r\n"])
@given(cuts=st.lists(st.integers(0, 120), max_size=6))
def test_a_request_is_complete_at_its_last_byte_however_it_is_cut(
    request_bytes: bytes, cuts: list[int]
) -> None:
    buffer, sent = new_buffer(), 0
    for cut in sorted(cuts):
        if sent < cut < len(request_bytes):
            buffer.feed(request_bytes[sent:cut])
            sent = cut
    assert not buffer.is_complete
    buffer.feed(request_bytes[sent:] + b"GET /next")
    assert buffer.is_complete
    assert not buffer.is_truncated
    assert b"".join(buffer.pieces()) == request_bytes
    assert buffer.rest == b"GET /next"


@pytest.mark.parametrize(
    "head",
    [b"GET / HTTP/1.1\nHost: x\n", b"\x00" * 9_000],
    ids=["bare line feeds", "no line"],
)
def test_a_head_that_can_never_be_valid_is_left_to_the_parser_at_once(head: bytes) -> None:
    buffer = new_buffer()
    buffer.feed(head)
    assert buffer.is_complete
    assert buffer.is_truncated


def test_headers_without_an_end_are_rejected() -> None:
    buffer = new_buffer()
    with pytest.raises(RequestRejected) as rejected:
        buffer.feed(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000)
    assert rejected.value.status is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


@pytest.mark.parametrize(
    "body",
    [
        *(b"x\r\n", b"\r\n", b"-1\r\n", b"fffffffff\r\n", b"1" * 9_000),
        *(b"5\n", b"5 \r\n", b"5\r\nhello!\r\n", b"5\r\nhello\n", b"0\r\nTrailer: x\n"),
    ],
)
def test_a_malformed_chunk_ends_the_request_and_its_connection(body: bytes) -> None:
    buffer = new_buffer()
    assert feed_all(buffer, CHUNKED + body) == CHUNKED + body
    assert buffer.is_truncated


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "9" * 5_000])
def test_a_body_that_no_route_accepts_is_not_waited_for(length: str) -> None:
    buffer = new_buffer()
    buffer.feed(f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
    assert buffer.is_complete
    assert buffer.is_truncated


def test_a_chunked_body_ends_at_the_largest_size() -> None:
    buffer = new_buffer()
    buffer.feed(CHUNKED)
    for _ in range(17):
        if not buffer.is_complete:
            buffer.feed(b"100000\r\n" + bytes(0x100000) + b"\r\n")
    assert buffer.is_truncated
    buffer.close()


def test_a_body_of_tiny_chunks_is_rejected() -> None:
    buffer = new_buffer()
    buffer.feed(CHUNKED)
    with pytest.raises(RequestRejected) as rejected:
        buffer.feed(b"1\r\na\r\n" * 80_000)
    assert rejected.value.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    buffer.close()


def test_large_bodies_share_a_limited_space_and_give_it_back() -> None:
    spool, large = Spool(max_bytes=1_000_000), bytes(900_000)
    head = b"POST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\n"
    assert feed_all(new_buffer(spool), head, large[:500_000], large[500_000:]) == head + large
    first, second = new_buffer(spool), new_buffer(spool)
    first.feed(head + large[:800_000])
    with pytest.raises(RequestRejected) as rejected:
        second.feed(head + large[:800_000])
    assert rejected.value.status is HTTPStatus.SERVICE_UNAVAILABLE
    first.close()
    second.close()
    assert feed_all(new_buffer(spool), head + large) == head + large


def test_headers_have_a_total_deadline_and_bodies_one_for_each_stretch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    buffer = new_buffer()
    assert buffer.deadline_s == 110
    now_s = 105
    buffer.feed(b"POST / HTTP/1.1\r\n")
    assert buffer.deadline_s == 115  # of a request that began now
    now_s = 109
    buffer.feed(b"Content-Length: 500000\r\n")
    assert buffer.deadline_s == 115
    now_s = 110
    buffer.feed(b"\r\n")
    assert buffer.deadline_s == 125
    now_s = 124
    buffer.feed(bytes(15 * MIN_UPLOAD_BYTES_PER_S - 1))
    assert buffer.deadline_s == 125
    buffer.feed(b"a")
    assert buffer.deadline_s == 139
    now_s = 125
    buffer.feed(bytes(15 * MIN_UPLOAD_BYTES_PER_S))  # at once
    assert buffer.deadline_s == 140
    now_s = 130
    buffer.feed(b"a")  # of the next stretch
    assert buffer.deadline_s == 140
    buffer.close()


def test_a_malformed_chunk_leaves_nothing_that_could_be_taken_for_a_request() -> None:
    buffer = new_buffer()
    buffer.feed(CHUNKED + b"x\r\n" + GET)
    assert buffer.is_truncated


def test_a_body_that_cannot_be_stored_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_file(**_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", no_file)
    spool = Spool(max_bytes=100_000)
    for _ in range(2):
        buffer = new_buffer(spool)
        with pytest.raises(RequestRejected) as rejected:
            buffer.feed(b"POST / HTTP/1.1\r\nContent-Length: 90000\r\n\r\n" + bytes(80_000))
        assert rejected.value.status is HTTPStatus.SERVICE_UNAVAILABLE
        assert "no space" in rejected.value.detail
        buffer.close()


@pytest.mark.parametrize(
    ("request_line", "value", "waits"),
    [
        ("POST / HTTP/1.1", "100-Continue", True),
        ("POST / HTTP/1.1", "something", False),
        ("POST / HTTP/1.0", "100-continue", False),
    ],
)
def test_only_a_client_that_waits_for_100_continue_gets_it(
    request_line: str, value: str, waits: bool
) -> None:
    buffer = new_buffer()
    buffer.feed(f"{request_line}\r\nExpect: {value}\r\nContent-Length: 5\r\n\r\n".encode())
    assert buffer.expects_continue is waits


def test_the_largest_body_is_the_largest_that_a_route_accepts() -> None:
    assert MAX_BODY_BYTES > MAX_BATCH_BODY_BYTES
    assert MAX_BODY_BYTES - MAX_BATCH_BODY_BYTES < 1024
