"""A route's contract as an OpenAPI operation."""

from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus

from app.api.http.contract import JSON, Schema
from app.api.openapi.error_responses import ErrorResponse, list_error_responses
from app.api.openapi.json_schemas import Json, accepts_empty_object, query_parameters
from app.api.openapi.routes import Route

IMAGE_TYPES = ("png", "jpeg", "webp", "bmp", "gif", "tiff")

_LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_IMAGE = {"type": "string", "format": "binary"}
_SECURITY: Mapping[str | None, list[Json]] = {
    None: [],
    "access": [{"access": []}],
    "refresh": [{"refresh": []}, {"cookie": []}],
}


class Operations:
    """Builds operations that refer to the schemas of one document."""

    def __init__(self, references: Mapping[Schema, Json], schemas: Json) -> None:
        self._references = references
        self._schemas = schemas

    def build(self, route: Route) -> Json:
        """Return the operation of one route."""
        summary, _, more = route.description.partition("\n")
        contract = route.contract
        operation: Json = {
            "operationId": route.endpoint.replace(".", "_"),
            "tags": [route.tag],
            "summary": summary.rstrip("."),
            "description": more.strip(),
            "security": _SECURITY[contract.token],
            "parameters": _parameters(route),
            "requestBody": self._body(route),
            "responses": self._responses(route),
        }
        return {key: value for key, value in operation.items() if value or key == "security"}

    def _body(self, route: Route) -> Json | None:
        contract = route.contract
        if contract.body is not None:
            reference = self._references[contract.body]
            schema = self._schemas[reference["$ref"].rpartition("/")[2]]
            return {
                "required": not accepts_empty_object(schema),
                "content": {JSON: {"schema": reference}},
            }
        if contract.max_images:
            return {"required": True, "content": _image_content(contract.max_images)}
        return None

    def _responses(self, route: Route) -> Json:
        contract = route.contract
        errors: dict[int, list[ErrorResponse]] = defaultdict(list)
        for error in list_error_responses(route):
            errors[error.status].append(error)
        responses = {str(status): self._error(route, errors[status]) for status in sorted(errors)}
        if contract.status is None:
            return responses
        success = {
            "description": HTTPStatus(contract.status).phrase,
            "headers": _headers(route, *contract.response_headers),
            "content": {name: self._media(name, schema) for name, schema in contract.media.items()},
        }
        return {str(contract.status): success} | responses

    def _error(self, route: Route, errors: list[ErrorResponse]) -> Json:
        more = ("Retry-After",) if errors[0].status in (429, 503) else ()
        schemas = dict.fromkeys(error.schema for error in errors)
        references = [self._references[schema] for schema in schemas]
        schema = references[0] if len(references) == 1 else {"anyOf": references}
        return {
            "description": "\n".join(f"- {error.meaning}" for error in errors)
            if len(errors) > 1
            else errors[0].meaning,
            "headers": _headers(route, *more),
            "content": {JSON: {"schema": schema}},
        }

    def _media(self, media_type: str, schema: Schema | None) -> Json:
        if schema is not None:
            return {"schema": self._references[schema]}
        if media_type == JSON:
            return {"schema": {"type": "object"}}
        return {"schema": {"type": "string"}} if media_type.startswith("text/") else {}


def _parameters(route: Route) -> list[Json]:
    contract = route.contract
    query = [] if contract.query is None else query_parameters(contract.query)
    headers = [
        {"in": "header", "name": name, "description": text, "schema": {"type": "string"}}
        for name, text in contract.headers.items()
    ]
    return [*route.path_parameters, *query, *headers]


def _image_content(max_images: int) -> Json:
    if max_images > 1:
        file: Json = {"type": "array", "items": _IMAGE, "minItems": 1, "maxItems": max_images}
    else:
        file = _IMAGE
    form = {"type": "object", "required": ["file"], "properties": {"file": file}}
    raw = {f"image/{name}": {"schema": _IMAGE} for name in IMAGE_TYPES} if max_images == 1 else {}
    return {"multipart/form-data": {"schema": form}, **raw}


def _headers(route: Route, *more: str) -> Json:
    names = ("X-Request-ID", *(_LIMITS if route.is_limited else ()), *more)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
