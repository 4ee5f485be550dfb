"""The files of a plain multipart body, found without a parser; all else is left to werkzeug's.

Plain is what clients send who post pictures: parts named `file` alone, with ASCII file names.
Whatever this module finds, werkzeug's parser finds too, byte for byte; where it finds nothing, that
parser decides.
"""

import re

_CONTENT_TYPE = re.compile(
    r'multipart/form-data; ?boundary=(?:"([A-Za-z0-9\'()+_,./:=?-]{1,70})"|([A-Za-z0-9_.-]{1,70}))',
    re.I,
)
_PART_HEADERS = re.compile(
    rb'\r\nContent-Disposition: form-data; name="file"; filename="[\w .()-]{1,200}"\r\n'
    rb"(?:Content-Type: [\w/.+-]{1,100}\r\n)?\r\n"
)


def parse_single_file(content_type: str, body: bytes) -> bytes | None:
    """The content of the one part, named `file`, of a plain body; None where it is not plain."""
    found = parse_files(content_type, body, most=1)
    return found[0] if found else None


def parse_files(content_type: str, body: bytes, most: int) -> list[bytes]:
    """The contents of all parts of a plain body; none where it is not plain, or has more parts."""
    plain = _CONTENT_TYPE.fullmatch(content_type)
    if plain is None:
        return []
    before, *parts = body.split(b"--" + (plain[1] or plain[2]).encode(), most + 2)
    if before or not 2 <= len(parts) <= most + 1 or parts.pop() not in (b"--\r\n", b"--"):
        return []
    heads = [_PART_HEADERS.match(part) for part in parts]
    if not all(heads) or not all(part.endswith(b"\r\n") for part in parts):
        return []
    return [part[head.end() : -2] for part, head in zip(parts, heads, strict=True) if head]
