"""JSON Schemas of requests and responses, from the pydantic models."""

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from app.api.http.contract import Schema

Json = dict[str, Any]

_NULL = {"type": "null"}


class _CompactSchema(GenerateJsonSchema):
    """Omits titles that repeat a field's name, and defaults of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  pydantic's name
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        schema_with_default = super().default_schema(schema)
        if schema_with_default.get("default", _NULL) is None:
            del schema_with_default["default"]
        return schema_with_default


def components(
    bodies: Iterable[Schema], responses: Iterable[Schema]
) -> tuple[dict[Schema, Json], Json]:
    """Return a reference to each model's schema, and all these schemas by name."""
    models = sorted({*bodies, *responses}, key=lambda model: (model.__name__, model.__module__))
    found, definitions = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
        schema_generator=_CompactSchema,
    )
    schemas: Json = definitions.get("$defs", {})
    references = {model: found[model, "validation"] for model in models}
    for model in bodies:
        _allow_null_if_optional(schemas[references[model]["$ref"].rpartition("/")[2]])
    return references, schemas


def query_parameters(query: Schema) -> list[Json]:
    """Return the fields of a query string as OpenAPI parameters."""
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
    """Return whether an empty object, and so an empty body, is valid."""
    return not schema.keys() & {"required", "anyOf", "oneOf"}


def _allow_null_if_optional(schema: Json) -> None:
    """Allow null for optional fields, because app/api/http/request_parsing.py drops nulls."""
    for name, field in schema.get("properties", {}).items():
        if name not in schema.get("required", []) and _NULL not in field.get("anyOf", []):
            kept = {key: field.pop(key) for key in ("description", "default") if key in field}
            schema["properties"][name] = {"anyOf": [field, _NULL], **kept}


def _without_null(field: Json) -> Json:
    """Remove null from a field's types: a query string has no null."""
    options = [option for option in field.pop("anyOf", [{}]) if option != _NULL]
    return field | options[0] if len(options) == 1 else field | {"anyOf": options}
