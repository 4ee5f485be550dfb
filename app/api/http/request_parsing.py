"""Reading requests: JSON bodies, queries and uploaded pictures, each with an error of its own."""

from collections.abc import Sequence
from typing import Any, TypeVar

from flask import g, request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from app.api.http import multipart
from app.domain.errors import InvalidInput
from app.imaging.decoding import MAX_IMAGE_BYTES

NO_FILE = "No se encontró el archivo"
NO_FILE_NAME = "No se seleccionó ningún archivo"

_MAX_JSON_BYTES = 64 * 1024
MAX_IMAGE_BODY_BYTES = MAX_IMAGE_BYTES + 64 * 1024  # a picture, and multipart around it
MAX_BATCH_BODY_BYTES = 16 * 1024 * 1024
_SMALL_BATCH_BYTES = 1024 * 1024  # held in memory; the parser puts larger ones into files
_MAX_PARTS = 1_000  # parts; the parser refuses more

_Body = TypeVar("_Body", bound=BaseModel)


def json_body(shape: type[_Body], missing: str | None = None) -> _Body:
    """Parse the JSON body, whatever its content type says; no body counts as an empty object.

    Raises InvalidInput; with the text `missing` where a required field is not there.
    """
    request.max_content_length = _MAX_JSON_BYTES + 1  # a body without a length is cut there
    body = request.get_data()
    if len(body) > _MAX_JSON_BYTES:
        raise RequestEntityTooLarge
    try:
        sent = request.get_json(force=True) if body else {}
    except (BadRequest, RecursionError) as error:
        raise InvalidInput("The body is not valid JSON") from error
    if not isinstance(sent, dict):
        raise InvalidInput("The body must be a JSON object")
    return _validate(shape, sent, missing)


def query_args(shape: type[_Body]) -> _Body:
    """Parse the query string. Raises InvalidInput."""
    return _validate(shape, request.args.to_dict(), None)


def uploaded_image() -> bytes:
    """The one picture of a predict request: the part named `file`, or a raw image body.

    Raises InvalidInput with the words that old clients know.
    """
    request.max_content_length = MAX_IMAGE_BODY_BYTES
    if (request.mimetype or "").startswith("image/"):
        return bytes(request.get_data(cache=False))
    file = request.files.get("file")
    if file is None:
        raise InvalidInput(NO_FILE)
    if not file.filename:
        raise InvalidInput(NO_FILE_NAME)
    return bytes(file.read())


def count_files() -> int:
    """How many parts named `file` a batch has; up to 16 MiB of body are looked at."""
    return len(_uploaded_files())


def uploaded_images(most: int) -> list[bytes]:
    """The pictures of a batch: every part named `file`. Raises InvalidInput."""
    sent = _uploaded_files()
    if not sent:
        raise InvalidInput(NO_FILE)
    if len(sent) > most:
        raise InvalidInput(f"A batch holds at most {most} pictures")
    return [file if isinstance(file, bytes) else file.read() for file in sent]


def _uploaded_files() -> Sequence[bytes | FileStorage]:
    """The parts named `file`; those of a small plain body as they are, without a parser."""
    if "files" not in g:
        request.max_content_length = MAX_BATCH_BODY_BYTES
        g.files = _parse_simple_files() or request.files.getlist("file")
    files: Sequence[bytes | FileStorage] = g.files
    return files


def _parse_simple_files() -> Sequence[bytes]:
    """None where a parser is to decide, which then reads what is read here."""
    if not 0 < (request.content_length or 0) <= _SMALL_BATCH_BYTES:
        return []
    return multipart.parse_files(request.content_type or "", request.get_data(), _MAX_PARTS)


def _validate(shape: type[_Body], sent: dict[str, Any], missing: str | None) -> _Body:
    try:
        parsed = shape.model_validate({key: sent[key] for key in sent if sent[key] is not None})
    except ValidationError as error:
        raise InvalidInput(_explain(shape, error.errors(), missing)) from error
    for name, value in parsed:
        if isinstance(value, str) and not _is_storable(value):
            raise InvalidInput(f"{name} holds characters that no text has")
    return parsed


def _is_storable(text: str) -> bool:
    """Whether a database takes a text: JSON can carry zero characters and lone surrogates."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _explain(shape: type[BaseModel], found: list[ErrorDetails], missing: str | None) -> str:
    """Say in our own words what is wrong with the first bad field, each field's own description."""
    if missing is not None and any(detail["type"] == "missing" for detail in found):
        return missing
    name = str(found[0]["loc"][0]) if found[0]["loc"] else ""
    field = shape.model_fields.get(name)
    return f"{name} must be {field.description}" if field else "The fields do not fit together"
