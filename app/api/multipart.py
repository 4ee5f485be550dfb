"""The one file of a plain multipart body, found without a parser; all else is left to werkzeug's.

Plain is what clients send who post one picture: a single part named `file` with an ASCII file name.
Whatever this module finds, werkzeug's parser finds too, byte for byte; where it finds nothing, that
parser decides.
"""

import re

_TYPE = re.compile(
    r'multipart/form-data; ?boundary=("?)(?P<boundary>[A-Za-z0-9\'()+_,./:=?-]{1,70})\1', re.I
)
_HEAD = re.compile(
    rb'\r\nContent-Disposition: form-data; name="file"; filename="[\w .()-]{1,200}"\r\n'
    rb"(?:Content-Type: [\w/.+-]{1,100}\r\n)?\r\n"
)
_LONGEST_HEAD = 512


def only_file(content_type: str, body: bytes) -> bytes | None:
    """The content of the one part, named `file`, of a plain body; None where it is not plain."""
    plain = _TYPE.fullmatch(content_type)
    if plain is None:
        return None
    mark = b"--" + plain["boundary"].encode()
    head = _HEAD.match(body, len(mark), _LONGEST_HEAD)
    end = body.rfind(mark)
    is_alone = body.startswith(mark) and body.find(mark, len(mark)) == end
    if head is None or not is_alone or body[end:] not in (mark + b"--\r\n", mark + b"--"):
        return None
    content = body[head.end() : end]
    return content[:-2] if content.endswith(b"\r\n") else None
