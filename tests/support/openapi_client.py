"""A test client that validates every response against the application's own OpenAPI document."""

import json
from contextlib import suppress
from copy import deepcopy
from typing import Any

import jsonschema_rs
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app.api.openapi import document as openapi
from app.api.openapi.routes import PAGES_BLUEPRINT, Route, list_routes

_documents: list["Document"] = []


class DocumentedClient(FlaskClient):
    """A client whose responses must match the document and contain no other fields."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        check_response(self.application, response)
        return response


class Document:
    """The document of an application; its schemas allow no additional properties."""

    def __init__(self, app: Flask) -> None:
        self._document = openapi.build_document(app)
        self._paths: dict[str, Route] = {route.rule: route for route in list_routes(app)}
        self._components = deepcopy(self._document["components"])
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}
        for schema in self._components["schemas"].values():
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)

    def operation(self, rule: str, method: str) -> dict[str, Any] | None:
        """Return the operation of a route; None for a route that a test has added."""
        if rule not in self._paths or self._paths[rule].contract.status is None:
            return None
        found: dict[str, Any] = self._document["paths"][self._paths[rule].path][method.lower()]
        return found

    def schema_errors(self, schema: dict[str, Any], value: object) -> list[str]:
        """Return the schema errors of a value."""
        found = self._validator(schema).iter_errors(value)
        return [f"{error.instance_path}: {error.message}" for error in found]

    def _validator(self, schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
        """Return the cached validator of a schema: creating one takes longer than most requests."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            closed = {**schema, "components": self._components}
            self._validators[key] = jsonschema_rs.Draft202012Validator(
                closed, validate_formats=True
            )
        return self._validators[key]

    def header(self, reference: dict[str, str]) -> dict[str, Any]:
        """Return a header by its reference."""
        found: dict[str, Any] = self._components["headers"][reference["$ref"].rpartition("/")[2]]
        return found


def build_document_once(app: Flask) -> None:
    """Build the document that responses must match, from the first application of the process.

    Building one per test is slow, and all are equal as long as no test has changed its application.
    """
    if not _documents:
        _documents.append(Document(app))


def check_response(app: Flask, response: TestResponse) -> None:
    """Fail if a response does not match the document."""
    rule = _matching_rule(app, response)
    if rule is None or rule.endpoint.startswith(f"{PAGES_BLUEPRINT}."):
        return
    operation = _documents[0].operation(rule.rule, response.request.method)
    if operation is not None:
        _check(_documents[0], operation, response)


def _matching_rule(app: Flask, response: TestResponse) -> Rule | None:
    """Return the rule that handled a request; None if no rule matches."""
    request = response.request
    adapter = app.url_map.bind("localhost")
    with suppress(HTTPException):
        if request.method not in {"HEAD", "OPTIONS"}:
            return adapter.match(request.path, method=request.method, return_rule=True)[0]
    return None


def _check(document: Document, operation: dict[str, Any], response: TestResponse) -> None:
    name, status = operation["operationId"], str(response.status_code)
    assert status in operation["responses"], (
        f"{name} does not document the status {response.status}"
    )
    documented = operation["responses"][status]
    for header, reference in documented["headers"].items():
        found = document.header(reference)
        assert header in response.headers or not found.get("required"), f"{name}: no {header}"
    assert response.mimetype in documented["content"], (
        f"{name} answers {status} as {response.mimetype}"
    )
    schema = documented["content"][response.mimetype].get("schema")
    if schema is not None:
        is_json = response.mimetype == "application/json"
        value = json.loads(response.data) if is_json else response.text
        assert not (schema_errors := document.schema_errors(schema, value)), (
            f"{name} {status}: {schema_errors}"
        )
