"""The OpenAPI document: every route is documented with its requests, responses and errors.

tests/support/openapi_client.py validates every response of the other tests against it.
"""

import re
from typing import Any

import pytest
from flask import Flask
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from app.api.openapi.routes import PAGES_BLUEPRINT, list_routes
from app.domain.roles import Role
from app.version import VERSION
from tests.conftest import admin_client
from tests.integration.test_routes import ADMIN, OPEN, REFRESH_TOKEN, REVIEWER, ROUTES


@pytest.fixture
def document(app: Flask) -> dict[str, Any]:
    """Return the served document."""
    answer = app.test_client().get("/openapi.json")
    assert answer.status_code == 200
    served: dict[str, Any] = answer.get_json()
    return served


def operations(app: Flask, document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return every operation by method and rule."""
    return {
        (route.method.upper(), route.rule): document["paths"][route.path][route.method]
        for route in list_routes(app)
    }


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == VERSION
    assert list(OPENAPI_31_VALIDATOR.iter_errors(document)) == []


def test_every_route_except_pages_is_documented(app: Flask, document: dict[str, Any]) -> None:
    pages = {
        rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(PAGES_BLUEPRINT)
    }
    assert "/dashboard" in pages
    expected = {(method, rule) for method, rule in ROUTES if rule not in pages}
    assert set(operations(app, document)) == expected
    assert sum(len(methods) for methods in document["paths"].values()) == len(expected)


def test_every_operation_documents_its_responses_and_errors(
    app: Flask, document: dict[str, Any]
) -> None:
    for (method, rule), operation in operations(app, document).items():
        statuses = set(operation["responses"])
        assert operation["summary"], rule
        assert [status for status in statuses if status.startswith("2")], (method, rule)
        access = ROUTES[method, rule]
        needed = {"401", "422", "429", "503"} if access is not OPEN else set()
        needed |= {"403"} if access in {ADMIN, REVIEWER} else set()
        needed |= {"404"} if "<" in rule else set()
        needed |= {"400", "413"} if "requestBody" in operation else set()
        assert needed <= statuses, (method, rule, needed - statuses)


def test_every_operation_documents_the_token_that_it_needs(
    app: Flask, document: dict[str, Any]
) -> None:
    for where, operation in operations(app, document).items():
        if ROUTES[where] is OPEN:
            assert operation["security"] == []
        elif ROUTES[where] is REFRESH_TOKEN:
            assert operation["security"] == [{"refresh": []}, {"cookie": []}]
        else:
            assert operation["security"] == [{"access": []}]


def test_every_limited_operation_documents_the_rate_limit_headers(
    app: Flask, document: dict[str, Any]
) -> None:
    unlimited = {"/health", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs"}
    for (_, rule), operation in operations(app, document).items():
        for status, answer in operation["responses"].items():
            assert "X-Request-ID" in answer["headers"]
            assert ("X-RateLimit-Remaining" in answer["headers"]) == (rule not in unlimited)
            assert ("Retry-After" in answer["headers"]) == (status in {"429", "503"})


def test_every_field_of_an_error_is_documented(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    shared = {"type", "title", "status", "detail", "request_id"}
    assert set(schemas["Problem"]["required"]) == shared | {"msg"}
    assert set(schemas["PredictProblem"]["required"]) == shared | {"error"}


def test_predict_accepts_a_form_or_the_image_itself(document: dict[str, Any]) -> None:
    single = document["paths"]["/api/ab/predict"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "image/png", "image/jpeg", "image/tiff"} <= set(single)
    batch = document["paths"]["/api/v2/predict/batch"]["post"]["requestBody"]["content"]
    assert set(batch) == {"multipart/form-data"}
    assert batch["multipart/form-data"]["schema"]["properties"]["file"]["maxItems"] == 256


def test_the_report_is_json_or_csv(app: Flask, document: dict[str, Any]) -> None:
    content = document["paths"]["/admin/report"]["get"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/csv"}
    admin = admin_client(app)
    assert admin.call("GET", "/admin/report?format=csv").mimetype == "text/csv"


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [
        each["operationId"] for methods in document["paths"].values() for each in methods.values()
    ]
    assert len(set(ids)) == len(ids)


def test_an_undocumented_response_fails_a_test(app: Flask) -> None:
    app.view_functions["health.health"] = lambda: {"status": "ok", "secret": 1}
    with pytest.raises(AssertionError, match="secret"):
        app.test_client().get("/health")
    app.view_functions["health.health"] = lambda: ({"status": "ok"}, 202)
    with pytest.raises(AssertionError, match="does not document the status 202"):
        app.test_client().get("/health")


def test_the_docs_page_runs_only_scripts_of_its_own_origin(app: Flask) -> None:
    client = app.test_client()
    answer = client.get("/docs")
    policy = dict(
        each.split(" ", 1) for each in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    scripts = re.findall(r"<script([^>]*)>([^<]*)</script>", answer.text)
    assert len(scripts) == 2
    for attributes, text in scripts:
        assert text == ""
        with client.get(attributes.split('"')[1]) as script:
            assert script.mimetype == "text/javascript"


def test_the_documented_roles_are_all_roles(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"]["Role"]["enum"] == list(Role)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"prediction": "7", "correct": 1}, 201),
        ({"prediction": 7, "correct": "false"}, 201),
        ({"prediction": "7 ", "correct": True}, 400),
        ({"prediction": 7, "correct": "yes"}, 400),
        ({"prediction": 7, "correct": True, "digit": "7"}, 400),
        ({"prediction": 7, "correct": True, "not_a_digit": 0}, 400),
    ],
)
def test_legacy_fields_also_accept_strings_and_new_fields_are_strict(
    app: Flask, sent: dict[str, object], status: int
) -> None:
    assert admin_client(app).call("POST", "/feedback", json=sent).status_code == status
