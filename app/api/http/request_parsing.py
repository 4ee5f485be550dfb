"""Parse requests: JSON bodies, query strings and uploaded images, each with its own errors."""

import shutil
from collections.abc import Sequence
from tempfile import SpooledTemporaryFile
from typing import IO, Any, TypeVar

from flask import Response, after_this_request, g, request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from app.api.http import multipart
from app.domain.errors import InvalidInput
from app.imaging.decoder_pool import ImageFile
from app.imaging.decoding import MAX_IMAGE_BYTES

NO_FILE = "No se encontró el archivo"
NO_FILE_NAME = "No se seleccionó ningún archivo"

_MAX_JSON_BYTES = 64 * 1024
MAX_IMAGE_BODY_BYTES = MAX_IMAGE_BYTES + 64 * 1024  # an image, and multipart around it
MAX_BATCH_BODY_BYTES = 16 * 1024 * 1024
_SMALL_BATCH_BYTES = 1024 * 1024  # kept in memory; werkzeug spools larger ones to files
_IN_MEMORY_BYTES = 64 * 1024  # of an image; a larger one stays in a file until it is decoded
_MAX_PARTS = 1_000  # werkzeug rejects more too

_Body = TypeVar("_Body", bound=BaseModel)


def json_body(schema: type[_Body], missing: str | None = None) -> _Body:
    """Parse the JSON body, whatever its content type; an empty body counts as an empty object.

    Raises InvalidInput, with the message `missing` if a required field is missing.
    """
    request.max_content_length = _MAX_JSON_BYTES + 1  # a body without a length is cut here
    body = request.get_data()
    if len(body) > _MAX_JSON_BYTES:
        raise RequestEntityTooLarge
    try:
        sent = request.get_json(force=True) if body else {}
    except (BadRequest, RecursionError) as error:
        raise InvalidInput("The body is not valid JSON") from error
    if not isinstance(sent, dict):
        raise InvalidInput("The body must be a JSON object")
    return _validate(schema, sent, missing)


def query_args(schema: type[_Body]) -> _Body:
    """Parse the query string. Raises InvalidInput."""
    return _validate(schema, request.args.to_dict(), None)


def uploaded_image() -> ImageFile:
    """Return the image of a predict request: the part named `file`, or a raw image body.

    A large one stays in a temporary file, so that waiting requests take no memory. Raises
    InvalidInput with the messages that old clients know.
    """
    request.max_content_length = MAX_IMAGE_BODY_BYTES
    if (request.mimetype or "").startswith("image/"):
        return _in_memory_if_small(_spooled_body())
    file = request.files.get("file")
    if file is None:
        raise InvalidInput(NO_FILE)
    if not file.filename:
        raise InvalidInput(NO_FILE_NAME)
    return _in_memory_if_small(file.stream)


def _spooled_body() -> IO[bytes]:
    """Copy the body from the connection, a large one to a file that the request's end deletes."""
    body = SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115  closed after the request

    @after_this_request
    def close(response: Response) -> Response:
        body.close()
        return response

    shutil.copyfileobj(request.stream, body)
    body.seek(0)
    return body


def _in_memory_if_small(file: IO[bytes]) -> ImageFile:
    start = file.read(_IN_MEMORY_BYTES + 1)
    return file if len(start) > _IN_MEMORY_BYTES else start


def count_files() -> int:
    """Return how many parts named `file` a batch has; reads up to 16 MiB of body."""
    return len(_uploaded_files())


def uploaded_images(max_images: int) -> list[bytes]:
    """Return the images of a batch: every part named `file`. Raises InvalidInput."""
    files = _uploaded_files()
    if not files:
        raise InvalidInput(NO_FILE)
    if len(files) > max_images:
        raise InvalidInput(f"A batch can contain at most {max_images} images")
    return [file if isinstance(file, bytes) else file.read() for file in files]


def _uploaded_files() -> Sequence[bytes | FileStorage]:
    """Return the parts named `file`; as bytes if the fast parser could read a small body."""
    if "files" not in g:
        request.max_content_length = MAX_BATCH_BODY_BYTES
        g.files = _parse_simple_files() or request.files.getlist("file")
    files: Sequence[bytes | FileStorage] = g.files
    return files


def _parse_simple_files() -> Sequence[bytes]:
    """Parse a small, simple body; nothing if werkzeug must parse it, from the cached data."""
    if not 0 < (request.content_length or 0) <= _SMALL_BATCH_BYTES:
        return []
    return multipart.parse_files(request.content_type or "", request.get_data(), _MAX_PARTS)


def _validate(schema: type[_Body], sent: dict[str, Any], missing: str | None) -> _Body:
    try:
        parsed = schema.model_validate({key: sent[key] for key in sent if sent[key] is not None})
    except ValidationError as error:
        raise InvalidInput(_explain(schema, error.errors(), missing)) from error
    for name, value in parsed:
        if isinstance(value, str) and not _is_storable(value):
            raise InvalidInput(f"{name} contains characters that are not valid in text")
    return parsed


def _is_storable(text: str) -> bool:
    """Return whether a database can store a text: JSON can carry NUL and lone surrogates."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _explain(schema: type[BaseModel], details: list[ErrorDetails], missing: str | None) -> str:
    """Return a message on the first invalid field, made from the field's description."""
    if missing is not None and any(detail["type"] == "missing" for detail in details):
        return missing
    name = str(details[0]["loc"][0]) if details[0]["loc"] else ""
    field = schema.model_fields.get(name)
    return f"{name} must be {field.description}" if field else "The fields contradict each other"
