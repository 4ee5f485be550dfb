"""A test client that holds every answer against the application's own OpenAPI document."""

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
    """A client whose answers must be what the document says, in fields that it names alone."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        check_response(self.application, answer)
        return answer


class Document:
    """An application's document with its operations by route; objects are closed."""

    def __init__(self, app: Flask) -> None:
        self._document = openapi.build_document(app)
        self._paths: dict[str, Route] = {route.rule: route for route in list_routes(app)}
        self._components = deepcopy(self._document["components"])
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}
        for schema in self._components["schemas"].values():
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)

    def operation(self, rule: str, method: str) -> dict[str, Any] | None:
        """What the document says of a route; None for one that a test has added."""
        if rule not in self._paths or self._paths[rule].contract.status is None:
            return None
        found: dict[str, Any] = self._document["paths"][self._paths[rule].path][method.lower()]
        return found

    def wrong(self, schema: dict[str, Any], value: object) -> list[str]:
        """What is wrong with a value."""
        found = self._validator(schema).iter_errors(value)
        return [f"{error.instance_path}: {error.message}" for error in found]

    def _validator(self, schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
        """The validator of a schema; making one takes longer than most requests."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            closed = {**schema, "components": self._components}
            self._validators[key] = jsonschema_rs.Draft202012Validator(
                closed, validate_formats=True
            )
        return self._validators[key]

    def header(self, reference: dict[str, str]) -> dict[str, Any]:
        """A header by its reference."""
        found: dict[str, Any] = self._components["headers"][reference["$ref"].rpartition("/")[2]]
        return found


def check_response(app: Flask, answer: TestResponse) -> None:
    """Fail where an answer is not what the document says."""
    rule = _matching_rule(app, answer)
    if rule is None or rule.endpoint.startswith(f"{PAGES_BLUEPRINT}."):
        return
    if not _documents:  # making one for each test would take a while, and all are the same
        _documents.append(Document(app))
    operation = _documents[0].operation(rule.rule, answer.request.method)
    if operation is not None:
        _check(_documents[0], operation, answer)


def _matching_rule(app: Flask, answer: TestResponse) -> Rule | None:
    """The rule that answered; None where there is none for this address and method."""
    asked = answer.request
    adapter = app.url_map.bind("localhost")
    with suppress(HTTPException):
        if asked.method not in {"HEAD", "OPTIONS"}:
            return adapter.match(asked.path, method=asked.method, return_rule=True)[0]
    return None


def _check(document: Document, operation: dict[str, Any], answer: TestResponse) -> None:
    name, status = operation["operationId"], str(answer.status_code)
    assert status in operation["responses"], f"{name} does not say that it answers {answer.status}"
    said = operation["responses"][status]
    for header, reference in said["headers"].items():
        found = document.header(reference)
        assert header in answer.headers or not found.get("required"), f"{name}: no {header}"
    assert answer.mimetype in said["content"], f"{name} answers {status} as {answer.mimetype}"
    schema = said["content"][answer.mimetype].get("schema")
    if schema is not None:
        is_json = answer.mimetype == "application/json"
        value = json.loads(answer.data) if is_json else answer.text
        assert not (wrong := document.wrong(schema, value)), f"{name} {status}: {wrong}"
