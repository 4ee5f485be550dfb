"""JSON Schemas of requests and answers, from the pydantic models that parse and describe them."""

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from app.api.http.contract import Schema

Json = dict[str, Any]

_NULL = {"type": "null"}


class _CompactSchema(GenerateJsonSchema):
    """Without titles that repeat a field's name, and defaults of null, which say nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  pydantic's name
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if made.get("default", _NULL) is None:
            del made["default"]
        return made


def components(
    bodies: Iterable[Schema], answers: Iterable[Schema]
) -> tuple[dict[Schema, Json], Json]:
    """A reference to each model's schema, and all these schemas by name."""
    wanted = sorted({*bodies, *answers}, key=lambda shape: (shape.__name__, shape.__module__))
    found, definitions = models_json_schema(
        [(shape, "validation") for shape in wanted],
        ref_template="#/components/schemas/{model}",
        schema_generator=_CompactSchema,
    )
    schemas: Json = definitions.get("$defs", {})
    references = {shape: found[shape, "validation"] for shape in wanted}
    for shape in bodies:
        _allow_null_if_optional(schemas[references[shape]["$ref"].rpartition("/")[2]])
    return references, schemas


def query_parameters(query: Schema) -> list[Json]:
    """The fields of a query string as OpenAPI parameters."""
    schema = query.model_json_schema(schema_generator=_CompactSchema)
    return [
        {
            "in": "query",
            "name": name,
            "required": name in schema.get("required", []),
            "description": field.pop("description", ""),
            "schema": _without_null(field),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def accepts_empty_object(schema: Json) -> bool:
    """Whether an empty object, and so no body at all, is fine."""
    return not schema.keys() & {"required", "anyOf", "oneOf"}


def _allow_null_if_optional(schema: Json) -> None:
    """Say that null counts as a missing field, as app/api/http/request_parsing.py has it."""
    for name, field in schema.get("properties", {}).items():
        if name not in schema.get("required", []) and _NULL not in field.get("anyOf", []):
            outside = {key: field.pop(key) for key in ("description", "default") if key in field}
            schema["properties"][name] = {"anyOf": [field, _NULL], **outside}


def _without_null(field: Json) -> Json:
    """A query string knows no null: what is not there is left out."""
    parts = [part for part in field.pop("anyOf", [{}]) if part != _NULL]
    return field | parts[0] if len(parts) == 1 else field | {"anyOf": parts}
