"""The routes of an application as the OpenAPI document shows them, each with its contract."""

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
    """One method of one rule; `about` is what its view's docstring says."""

    rule: str
    method: str
    endpoint: str
    about: str
    is_limited: bool
    contract: Contract

    @property
    def path(self) -> str:
        """Its path with {places}."""
        return _PATH_PARAMETER.sub(r"{\g<name>}", self.rule)

    @property
    def places(self) -> list[Json]:
        """The places in its path as OpenAPI parameters."""
        return [
            {
                "in": "path",
                "name": name,
                "required": True,
                "schema": _parameter_schema(kind, arguments),
            }
            for kind, arguments, name in _PATH_PARAMETER.findall(self.rule)
        ]

    @property
    def tag(self) -> str:
        """The blueprint that it belongs to."""
        return self.endpoint.partition(".")[0]

    @property
    def is_writing(self) -> bool:
        """Whether it may change something."""
        return self.method != "get"


def list_routes(app: Flask) -> Iterator[Route]:
    """Every route but the pages'."""
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
                    about=inspect.getdoc(view) or "",
                    is_limited=not exemption & ExemptionScope.DEFAULT,
                    contract=contract_of(view),
                )


def _parameter_schema(kind: str, arguments: str) -> Json:
    if kind == "uuid":
        return {"type": "string", "format": "uuid"}
    if kind == "int":
        most = re.search(r"max=(\d+)", arguments)
        return {"type": "integer", "minimum": 0} | ({"maximum": int(most[1])} if most else {})
    if kind == "any":
        return {"type": "string", "enum": [each.strip() for each in arguments.split(",")]}
    return {"type": "string"}
