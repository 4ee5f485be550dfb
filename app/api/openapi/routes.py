"""The routes that the OpenAPI document describes, each with its contract."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask_limiter import ExemptionScope

from app.api.http.contract import Contract, contract_of
from app.api.http.rate_limits import limiter

Json = dict[str, Any]

PAGES_BLUEPRINT = "web"

_IMPLIED = {"HEAD", "OPTIONS"}
_PATH_PARAMETER = re.compile(r"<(?:(?P<kind>\w+)(?:\((?P<arguments>[^)]*)\))?:)?(?P<name>\w+)>")


@dataclass(frozen=True)
class Route:
    """One method of one rule; `description` is its view's docstring."""

    rule: str
    method: str
    endpoint: str
    description: str
    is_limited: bool
    contract: Contract

    @property
    def path(self) -> str:
        """Return the path with {parameters} in braces."""
        return _PATH_PARAMETER.sub(r"{\g<name>}", self.rule)

    @property
    def path_parameters(self) -> list[Json]:
        """Return the parameters in the path as OpenAPI parameters."""
        return [
            {
                "in": "path",
                "name": name,
                "required": True,
                "schema": _parameter_schema(converter, arguments),
            }
            for converter, arguments, name in _PATH_PARAMETER.findall(self.rule)
        ]

    @property
    def tag(self) -> str:
        """Return the name of its blueprint."""
        return self.endpoint.partition(".")[0]

    @property
    def is_writing(self) -> bool:
        """Return whether it may change something."""
        return self.method != "get"


def list_routes(app: Flask) -> Iterator[Route]:
    """List all routes except those of the pages."""
    for rule in app.url_map.iter_rules():
        blueprint = rule.endpoint.rpartition(".")[0]
        view = app.view_functions[rule.endpoint]
        exemption = limiter.limit_manager.exemption_scope(app, rule.endpoint, blueprint)
        if blueprint != PAGES_BLUEPRINT:
            for method in sorted((rule.methods or set()) - _IMPLIED):
                yield Route(
                    rule=rule.rule,
                    method=method.lower(),
                    endpoint=rule.endpoint,
                    description=inspect.getdoc(view) or "",
                    is_limited=not exemption & ExemptionScope.DEFAULT,
                    contract=contract_of(view),
                )


def _parameter_schema(converter: str, arguments: str) -> Json:
    if converter == "uuid":
        return {"type": "string", "format": "uuid"}
    if converter == "int":
        maximum = re.search(r"max=(\d+)", arguments)
        return {"type": "integer", "minimum": 0} | ({"maximum": int(maximum[1])} if maximum else {})
    if converter == "any":
        return {"type": "string", "enum": [each.strip() for each in arguments.split(",")]}
    return {"type": "string"}
