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
    """Makes operations that refer to the schemas of one document."""

    def __init__(self, references: Mapping[Schema, Json], schemas: Json) -> None:
        self._references = references
        self._schemas = schemas

    def operation(self, route: Route) -> Json:
        """The operation of one route."""
        summary, _, more = route.about.partition("\n")
        contract = route.contract
        made: Json = {
            "operationId": route.endpoint.replace(".", "_"),
            "tags": [route.tag],
            "summary": summary.rstrip("."),
            "description": more.strip(),
            "security": _SECURITY[contract.token],
            "parameters": _parameters(route),
            "requestBody": self._body(route),
            "responses": self._responses(route),
        }
        return {key: value for key, value in made.items() if value or key == "security"}

    def _body(self, route: Route) -> Json | None:
        contract = route.contract
        if contract.body is not None:
            reference = self._references[contract.body]
            schema = self._schemas[reference["$ref"].rpartition("/")[2]]
            return {
                "required": not accepts_empty_object(schema),
                "content": {JSON: {"schema": reference}},
            }
        if contract.pictures:
            return {"required": True, "content": _image_content(contract.pictures)}
        return None

    def _responses(self, route: Route) -> Json:
        contract = route.contract
        found: dict[int, list[ErrorResponse]] = defaultdict(list)
        for refusal in list_error_responses(route):
            found[refusal.status].append(refusal)
        made = {str(status): self._refused(route, found[status]) for status in sorted(found)}
        if contract.status is None:
            return made
        success = {
            "description": HTTPStatus(contract.status).phrase,
            "headers": _headers(route, *contract.response_headers),
            "content": {kind: self._media(kind, shape) for kind, shape in contract.media.items()},
        }
        return {str(contract.status): success} | made

    def _refused(self, route: Route, ways: list[ErrorResponse]) -> Json:
        more = ("Retry-After",) if ways[0].status in (429, 503) else ()
        references = [self._references[shape] for shape in dict.fromkeys(way.shape for way in ways)]
        schema = references[0] if len(references) == 1 else {"anyOf": references}
        return {
            "description": "\n".join(f"- {way.meaning}" for way in ways)
            if len(ways) > 1
            else ways[0].meaning,
            "headers": _headers(route, *more),
            "content": {JSON: {"schema": schema}},
        }

    def _media(self, kind: str, shape: Schema | None) -> Json:
        if shape is not None:
            return {"schema": self._references[shape]}
        if kind == JSON:
            return {"schema": {"type": "object"}}
        return {"schema": {"type": "string"}} if kind.startswith("text/") else {}


def _parameters(route: Route) -> list[Json]:
    contract = route.contract
    query = [] if contract.query is None else query_parameters(contract.query)
    headers = [
        {"in": "header", "name": name, "description": text, "schema": {"type": "string"}}
        for name, text in contract.headers.items()
    ]
    return [*route.places, *query, *headers]


def _image_content(most: int) -> Json:
    if most > 1:
        file: Json = {"type": "array", "items": _IMAGE, "minItems": 1, "maxItems": most}
    else:
        file = _IMAGE
    form = {"type": "object", "required": ["file"], "properties": {"file": file}}
    raw = {f"image/{kind}": {"schema": _IMAGE} for kind in IMAGE_TYPES} if most == 1 else {}
    return {"multipart/form-data": {"schema": form}, **raw}


def _headers(route: Route, *more: str) -> Json:
    names = ("X-Request-ID", *(_LIMITS if route.is_limited else ()), *more)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
