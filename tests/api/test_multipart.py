"""The short way through a multipart body finds what werkzeug's parser finds, or nothing."""

import io

from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from app.api.multipart import only_file

BOUNDARY = "----b0undary"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
HEAD = b'Content-Disposition: form-data; name="file"; filename="d.png"\r\n'


def body(content: bytes, head: bytes = HEAD, end: bytes = b"--\r\n") -> bytes:
    mark = b"--" + BOUNDARY.encode()
    return mark + b"\r\n" + head + b"\r\n" + content + b"\r\n" + mark + end


def by_werkzeug(content_type: str, sent: bytes) -> bytes | None:
    """What a view would be given as `file`; None where there is none with a name."""
    mimetype, options = parse_options_header(content_type)
    parser = FormDataParser(stream_factory=lambda **_: io.BytesIO())
    _, _, files = parser.parse(io.BytesIO(sent), mimetype, len(sent), options)
    file = files.get("file")
    return None if file is None or not file.filename else file.read()


def test_what_clients_send_is_found() -> None:
    with_type = HEAD + b"Content-Type: image/png\r\n"
    for head in (HEAD, with_type):
        assert only_file(TYPE, body(b"a picture", head)) == b"a picture"
    assert only_file(TYPE.replace(BOUNDARY, f'"{BOUNDARY}"'), body(b"a picture")) == b"a picture"


def test_what_is_not_plain_is_left_to_the_parser() -> None:
    other = HEAD.replace(b'"file"', b'"picture"')
    nameless = HEAD.replace(b"d.png", b"")
    assert only_file(TYPE, body(b"a", other)) is None
    assert only_file(TYPE, body(b"a", nameless)) is None
    assert only_file(TYPE, body(b"a", HEAD + b"Content-Transfer-Encoding: base64\r\n")) is None
    assert only_file(TYPE, b"preamble\r\n" + body(b"a")) is None
    assert only_file(TYPE, body(b"a") + b"epilogue") is None
    assert only_file(TYPE, body(b"a")[:-4]) is None
    assert only_file(TYPE, body(b"a\r\n--" + BOUNDARY.encode() + b"\r\n" + HEAD + b"\r\nb")) is None
    assert only_file("multipart/mixed; boundary=b", body(b"a")) is None
    assert only_file("multipart/form-data", body(b"a")) is None


PIECES = st.sampled_from(
    [
        *(b"\r\n", b"\r", b"\n", b"--", b"-", b" ", b"", b"\0", b'"', b"a", b"\xff\xd8"),
        *(
            b"--" + BOUNDARY.encode(),
            BOUNDARY.encode(),
            HEAD,
            b"\r\n\r\n",
            b"Content-Type: a/b\r\n",
        ),
        *(b'Content-Disposition: form-data; name="file"; filename="e"\r\n', b"--\r\n"),
    ]
)


@given(st.lists(PIECES | st.binary(max_size=8), max_size=12).map(b"".join))
@example(b"\r\n--" + BOUNDARY.encode())
@example(b"\n--" + BOUNDARY.encode() + b"--")
@settings(max_examples=400, deadline=None)
def test_any_content_comes_out_as_the_parser_has_it(content: bytes) -> None:
    sent = body(content)
    found = only_file(TYPE, sent)
    assert found in (None, by_werkzeug(TYPE, sent))


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_body_with_anything_in_it_comes_out_as_the_parser_has_it(data: st.DataObject) -> None:
    sent = body(data.draw(st.lists(PIECES, max_size=4).map(b"".join)))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(sent)))
        cut = data.draw(st.integers(0, 6))
        sent = sent[:at] + data.draw(PIECES | st.binary(max_size=4)) + sent[at + cut :]
    found = only_file(TYPE, sent)
    assert found in (None, by_werkzeug(TYPE, sent))
