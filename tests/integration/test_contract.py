"""What old clients rely on, played against a served Cifra with its default limits."""

import sqlite3
from collections.abc import Iterator

import pytest
import requests

from tests.conftest import GoldenSet, make_config, opened_app
from tests.support.review_data import label_images
from tests.support.server_process import QUICK, Client, Server, serve


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the limits that old clients know; logins of tests alone are let through."""
    folder = tmp_path_factory.mktemp("contract")
    with serve(folder, **QUICK, RATELIMIT_LOGIN="1000 per minute") as running:
        yield running


@pytest.fixture(scope="module")
def ana(strict: Server) -> Client:
    return strict.register("ana")


@pytest.fixture(scope="module")
def admin(strict: Server) -> Client:
    return strict.admin_client()


def test_login_gives_an_access_token(strict: Server, ana: Client) -> None:
    right = {"username": "ana", "password": "password of ana"}
    answer = requests.post(f"{strict.url}/login", json=right, timeout=30)
    assert answer.status_code == 200
    assert isinstance(answer.json()["access_token"], str)


@pytest.mark.parametrize(
    "sent", [{}, {"username": "ana"}, {"password": "x"}, {"username": None, "password": "x"}]
)
def test_login_without_either_is_400(strict: Server, sent: dict[str, str]) -> None:
    answer = requests.post(f"{strict.url}/login", json=sent, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["msg"] == "Username and password required"


def test_login_without_a_body_is_400(strict: Server) -> None:
    answer = requests.post(f"{strict.url}/login", timeout=30)
    assert answer.status_code == 400
    assert answer.json()["msg"] == "Username and password required"


def test_login_with_a_wrong_password_is_401(strict: Server, ana: Client) -> None:
    wrong = {"username": "ana", "password": "something else"}
    answer = requests.post(f"{strict.url}/login", json=wrong, timeout=30)
    assert answer.status_code == 401
    assert answer.json()["msg"]


def test_health_needs_no_login_and_is_never_limited(strict: Server) -> None:
    answers = [requests.get(f"{strict.url}/health", timeout=30) for _ in range(230)]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].json() == {"status": "ok"}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_predict_answers_in_the_old_shape(ana: Client, golden: GoldenSet, version: str) -> None:
    answer = ana.predict(version, golden.png_of(3))
    assert answer.status_code == 200
    body = answer.json()
    assert body["prediccion"] == 3
    assert type(body["prediccion"]) is int
    assert type(body["probabilidad"]) is float
    assert 0 <= body["probabilidad"] <= 1
    assert body["version"] == version
    assert body.get("mensaje") == ("Predicción mejorada" if version == "v2" else None)


@pytest.mark.parametrize("version", ["v1", "v2", "ab"])
def test_predict_adds_its_id_its_model_and_ten_probabilities(
    ana: Client, golden: GoldenSet, version: str
) -> None:
    body = ana.predict(version, golden.png_of(8)).json()
    assert len(body["prediction_id"]) == 36
    assert set(body["model"]) == {"name", "hash"}
    assert len(body["probabilidades"]) == 10
    assert sum(body["probabilidades"]) == pytest.approx(1, abs=1e-12)
    assert body["probabilidad"] == max(body["probabilidades"])
    assert body["probabilidades"][body["prediccion"]] == body["probabilidad"]


def test_ab_answers_as_the_version_that_was_drawn(ana: Client, golden: GoldenSet) -> None:
    drawn = set()
    for _ in range(20):
        body = ana.predict("ab", golden.png_of(5)).json()
        assert body["ab_version"] == body["version"]
        assert ("mensaje" in body) == (body["version"] == "v2")
        drawn.add(body["ab_version"])
    assert drawn == {"v1", "v2"}


@pytest.mark.parametrize("version", ["v1", "v2", "ab"])
def test_predict_without_a_file_is_400(ana: Client, version: str) -> None:
    answer = ana.call("POST", f"/api/{version}/predict", files={"other": ("a.png", b"x")})
    assert answer.status_code == 400
    assert answer.json()["error"] == "No se encontró el archivo"


@pytest.mark.parametrize("version", ["v1", "v2", "ab"])
def test_predict_with_an_empty_file_name_is_400(ana: Client, version: str) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = ana.call("POST", f"/api/{version}/predict", data=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == "No se seleccionó ningún archivo"


@pytest.mark.parametrize(("version", "limit"), [("v1", 100), ("v2", 150)])
def test_a_versions_own_limit_replaces_the_default(
    strict: Server, golden: GoldenSet, version: str, limit: int
) -> None:
    client = strict.register(f"eager for {version}")
    picture = golden.png_of(1)
    statuses = [client.predict(version, picture).status_code for _ in range(limit + 1)]
    assert statuses == [200] * limit + [429]


def test_a_route_without_a_limit_of_its_own_is_limited_to_50_an_hour(
    strict: Server, golden: GoldenSet
) -> None:
    client = strict.register("eager for ab")
    answers = [client.predict("ab", golden.png_of(1)) for _ in range(51)]
    assert [answer.status_code for answer in answers] == [200] * 50 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert answers[0].headers["X-RateLimit-Limit"] == "50"
    assert answers[-1].json()["error"]
    assert answers[-1].json()["status"] == 429


def test_the_report_says_so_while_there_is_no_feedback(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with serve(tmp_path_factory.mktemp("silent"), **QUICK) as silent:
        answer = silent.admin_client().call("GET", "/admin/report")
    assert answer.status_code == 200
    assert answer.json()["msg"] == "No hay feedback disponible"
    assert "total_feedback" not in answer.json()


def test_feedback_is_stored_and_counted_in_the_report(
    strict: Server, ana: Client, admin: Client
) -> None:
    before = admin.call("GET", "/admin/report").json().get("total_feedback", 0)
    for correct in (True, True, False):
        sent = {"prediction": 4, "correct": correct, "comment": "así es"}
        answer = ana.call("POST", "/feedback", json=sent)
        assert answer.status_code == 201
        assert answer.json() == {"msg": "Feedback submitted successfully"}
    report = admin.call("GET", "/admin/report").json()
    assert report["total_feedback"] == before + 3
    assert report["correct_feedback"] + report["incorrect_feedback"] == report["total_feedback"]
    assert report["accuracy_percentage"] == pytest.approx(
        100 * report["correct_feedback"] / report["total_feedback"], abs=0.005
    )
    with sqlite3.connect(strict.data_dir / "app.db") as rows:
        stored = rows.execute("SELECT prediction, comment FROM feedback").fetchall()
    rows.close()
    assert (4, "así es") in stored


@pytest.mark.parametrize("sent", [{}, {"prediction": 3}, {"correct": True}, {"comment": "?"}])
def test_feedback_without_prediction_or_correct_is_400(ana: Client, sent: dict[str, int]) -> None:
    answer = ana.call("POST", "/feedback", json=sent)
    assert answer.status_code == 400
    assert answer.json()["msg"] == "Prediction and correct flag required"


def test_a_retrain_is_accepted_once_there_is_something_to_learn_from(
    admin: Client, strict: Server, golden: GoldenSet
) -> None:
    assert admin.call("POST", "/admin/retrain").status_code == 422
    config = make_config(strict.data_dir)
    with opened_app(config) as app:
        label_images(app, golden.digits[:40], golden.labels[:40], [1])
    answer = admin.call("POST", "/admin/retrain")
    assert answer.status_code == 202
    assert answer.json()["msg"] == "Proceso de retraining iniciado"
    assert admin.call("POST", f"{answer.headers['Location']}/cancel").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/predict"),
        ("POST", "/api/v2/predict"),
        ("POST", "/api/ab/predict"),
        ("POST", "/feedback"),
        ("POST", "/admin/retrain"),
        ("GET", "/admin/report"),
    ],
)
def test_no_token_is_401_and_a_malformed_one_422(strict: Server, method: str, path: str) -> None:
    without = requests.request(method, strict.url + path, timeout=30)
    assert without.status_code == 401
    assert without.json()["msg"] == "Missing Authorization Header"
    headers = {"Authorization": "Bearer not.a.token"}
    malformed = requests.request(method, strict.url + path, headers=headers, timeout=30)
    assert malformed.status_code == 422
    assert malformed.json()["msg"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/admin/retrain"), ("GET", "/admin/report")])
def test_admin_routes_need_the_role(ana: Client, method: str, path: str) -> None:
    answer = ana.call(method, path)
    assert answer.status_code == 403
    assert answer.json()["msg"]
