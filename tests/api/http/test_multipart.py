"""The fast multipart parser finds what werkzeug's parser finds, or nothing."""

import io

from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from app.api.http.multipart import parse_files, parse_single_file

BOUNDARY = "----b0undary"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
HEAD = b'Content-Disposition: form-data; name="file"; filename="d.png"\r\n'
MARK = b"--" + BOUNDARY.encode()


def body(*contents: bytes, head: bytes = HEAD, end: bytes = b"--\r\n") -> bytes:
    parts = [MARK + b"\r\n" + head + b"\r\n" + content + b"\r\n" for content in contents]
    return b"".join(parts) + MARK + end


def parse_with_werkzeug(content_type: str, sent: bytes) -> list[bytes]:
    """Return what a view would get as `file`, with a file name."""
    mimetype, options = parse_options_header(content_type)
    parser = FormDataParser(stream_factory=lambda **_: io.BytesIO())
    _, _, files = parser.parse(io.BytesIO(sent), mimetype, len(sent), options)
    return [file.read() for file in files.getlist("file") if file.filename]


def assert_same_result(sent: bytes) -> None:
    """Check that the fast parser finds all that werkzeug finds, or nothing."""
    expected = parse_with_werkzeug(TYPE, sent)
    assert parse_files(TYPE, sent, max_parts=9) in ([], expected)
    found = parse_single_file(TYPE, sent)
    assert found is None or [found] == expected


def test_simple_bodies_are_parsed() -> None:
    with_type = HEAD + b"Content-Type: image/png\r\n"
    for head in (HEAD, with_type):
        assert parse_single_file(TYPE, body(b"an image", head=head)) == b"an image"
        assert parse_files(TYPE, body(b"one", b"", b"three", head=head), max_parts=3) == [
            b"one",
            b"",
            b"three",
        ]
    assert (
        parse_single_file(TYPE.replace(BOUNDARY, f'"{BOUNDARY}"'), body(b"an image")) == b"an image"
    )


def test_other_bodies_are_left_to_werkzeug() -> None:
    other = HEAD.replace(b'"file"', b'"image"')
    nameless = HEAD.replace(b"d.png", b"")
    encoded = HEAD + b"Content-Transfer-Encoding: base64\r\n"
    assert parse_single_file(TYPE, body(b"a", head=other)) is None
    assert parse_single_file(TYPE, body(b"a", head=nameless)) is None
    assert parse_single_file(TYPE, body(b"a", head=encoded)) is None
    assert parse_single_file(TYPE, b"preamble\r\n" + body(b"a")) is None
    assert parse_single_file(TYPE, body(b"a") + b"epilogue") is None
    assert parse_single_file(TYPE, body(b"a")[:-4]) is None
    assert parse_single_file(TYPE, body(b"a", b"b")) is None
    assert parse_files(TYPE, body(b"a", b"b", b"c"), max_parts=2) == []
    assert parse_files(TYPE, body(b"a") + body(b"b"), max_parts=2) == []
    assert parse_files(TYPE, body(), max_parts=2) == []
    sent = body(b"a").replace(BOUNDARY.encode(), b"a:b")  # a boundary that needs its quotes
    assert parse_single_file("multipart/form-data; boundary=a:b", sent) is None
    assert parse_single_file('multipart/form-data; boundary="a:b"', sent) == b"a"
    assert parse_single_file("multipart/mixed; boundary=b", body(b"a")) is None
    assert parse_single_file("multipart/form-data", body(b"a")) is None


PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\r",
        b"\n",
        b"--",
        b"-",
        b" ",
        b"",
        b"\0",
        b'"',
        b"a",
        b"\xff\xd8",
        MARK,
        BOUNDARY.encode(),
        HEAD,
        b"\r\n\r\n",
        b"Content-Type: a/b\r\n",
        b'Content-Disposition: form-data; name="file"; filename="e"\r\n',
        b"--\r\n",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=8), max_size=12).map(b"".join))
@example(b"\r\n" + MARK)
@example(b"\n" + MARK + b"--")
@settings(max_examples=400, deadline=None)
def test_any_content_is_parsed_as_werkzeug_parses_it(content: bytes) -> None:
    assert_same_result(body(content))
    assert_same_result(body(b"one", content, b"three"))


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_damaged_bodies_are_parsed_as_werkzeug_parses_them_or_not_at_all(
    data: st.DataObject,
) -> None:
    contents = data.draw(st.lists(st.lists(PIECES, max_size=4).map(b"".join), max_size=3))
    sent = body(*contents)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(sent)))
        cut = data.draw(st.integers(0, 6))
        sent = sent[:at] + data.draw(PIECES | st.binary(max_size=4)) + sent[at + cut :]
    assert_same_result(sent)
