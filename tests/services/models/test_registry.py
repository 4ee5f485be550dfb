"""Which model serves a version: the shipped ones, deployments, rollbacks, and what cannot serve."""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import onnx
import pytest
from flask import Flask
from onnx import helper
from sqlalchemy import text

from app.domain.assignment import Version
from app.domain.errors import Unavailable
from app.services.models import registry
from app.services.models.inference import InferenceService
from app.services.notifications import alerts
from app.store.engine.db import read_transaction, write_transaction
from app.store.queries import models as rows
from app.store.tables import Deployment, Model
from config import ROOT
from tests.conftest import GoldenSet, UserClient, admin_client, container_of
from tests.support.server_process import Client, Server

SHIPPED = ROOT / "models"


def deployments() -> list[tuple[str, str]]:
    """What was put into service, in order: version and reason."""
    with read_transaction() as session:
        found = session.execute(text("SELECT version, reason FROM deployment ORDER BY id"))
        return [tuple(row) for row in found]


def swapped(tmp_path: Path) -> Path:
    """A folder of shipped models that has v1's file as v2."""
    for version in Version:
        (tmp_path / f"{version}.onnx").write_bytes((SHIPPED / "v1.onnx").read_bytes())
    return tmp_path


def keep(artefact: bytes, name: str = "another", sha256: str | None = None) -> int:
    """Store a model that nobody has deployed; its id."""
    with write_transaction() as session:
        model = registry.get_or_create(session, name, artefact)
        model.sha256 = sha256 or model.sha256
        return model.id


def another_v2(name: str = "another") -> bytes:
    net = onnx.load(SHIPPED / "v2.onnx")
    helper.set_model_props(net, {"name": name})
    return net.SerializeToString()


def a_net_of_something_else() -> bytes:
    """It opens, and takes no digit."""
    net = onnx.load(SHIPPED / "v1.onnx")
    for node in net.graph.node:
        node.input[:] = ["words" if name == "digits" else name for name in node.input]
    net.graph.input[0].name = "words"
    return net.SerializeToString()


@pytest.fixture
def admin(app_on_each: Flask) -> UserClient:
    return admin_client(app_on_each)


def test_a_first_start_puts_both_shipped_models_into_service(app_on_each: Flask) -> None:
    with app_on_each.app_context():
        assert deployments() == [("v1", "bundled"), ("v2", "bundled")]
        for version in Version:
            expected = hashlib.sha256((SHIPPED / f"{version}.onnx").read_bytes()).hexdigest()
            [serving] = registry.deployment_history_ids(version)
            assert registry.get_artifact(serving).model.sha256 == expected


def test_another_start_with_the_same_models_deploys_nothing(app: Flask) -> None:
    with app.app_context():
        registry.register_bundled(SHIPPED)
        assert len(deployments()) == 2


def test_a_newer_shipped_model_takes_the_place_of_the_older(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        registry.register_bundled(swapped(tmp_path))
        assert deployments()[2:] == [("v2", "bundled")]
        assert (
            registry.deployment_history_ids(Version.V2)[0]
            == registry.deployment_history_ids(Version.V1)[0]
        )


def test_a_newer_shipped_model_that_was_taken_back_stays_back(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        registry.register_bundled(swapped(tmp_path))
        registry.roll_back(Version.V2, 1)
        registry.register_bundled(tmp_path)
        assert deployments()[2:] == [("v2", "bundled"), ("v2", "rolled back")]


def test_a_model_that_was_trained_here_is_left_in_service(app: Flask, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with app.app_context():
        with write_transaction() as session:
            own = Model(name="own", sha256="0" * 64, artifact=b"", is_bundled=False, created_at=now)
            rows.add(session, own)
            put = Deployment(version="v2", model_id=own.id, reason="retrain", created_at=now)
            rows.add_deployment(session, put)
        registry.register_bundled(swapped(tmp_path))
        assert deployments()[2:] == [("v2", "retrain")]


def test_any_model_can_be_deployed_and_serves_at_once(
    app_on_each: Flask, admin: UserClient, golden: GoldenSet
) -> None:
    with app_on_each.app_context():
        model_id = keep(another_v2())
        container_of(app_on_each).inference.reload()
    deployed = admin.call("POST", f"/admin/models/{model_id}/deploy", json={"version": "v2"})
    assert deployed.status_code == 201
    assert deployed.get_json()["model"]["name"] == "another"
    assert serves(admin, golden, "another")


def serves(admin: UserClient, golden: GoldenSet, name: str) -> bool:
    """Whether v2 is served by this model within two seconds."""
    return within_two_seconds(
        lambda: admin.predict("v2", golden.png_of(3)).get_json()["model"]["name"] == name
    )


def within_two_seconds(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 2
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_rollback_takes_the_last_deployment_back_and_the_next_the_one_before(
    app_on_each: Flask, admin: UserClient
) -> None:
    with app_on_each.app_context():
        first = registry.deployment_history_ids(Version.V2)[0]
        second, third = keep(another_v2("second")), keep(another_v2("third"))
    for model_id in (second, third):
        body = {"version": "v2"}
        assert admin.call("POST", f"/admin/models/{model_id}/deploy", json=body).status_code == 201
    for expected in (second, first):
        rolled_back = admin.call("POST", "/admin/versions/v2/rollback")
        assert rolled_back.status_code == 201
        assert rolled_back.get_json()["model"]["id"] == expected
    assert admin.call("POST", "/admin/versions/v2/rollback").status_code == 409
    history = admin.call("GET", "/admin/deployments").get_json()["deployments"]
    assert [each["reason"] for each in history] == [
        *(["rolled back"] * 2),
        *(["deployed"] * 2),
        *(["bundled"] * 2),
    ]


def test_a_rollback_without_anything_before_or_of_no_version_is_refused(admin: UserClient) -> None:
    assert admin.call("POST", "/admin/versions/v1/rollback").status_code == 409
    assert admin.call("POST", "/admin/versions/v3/rollback").status_code == 404


@pytest.mark.parametrize(
    ("artefact", "sha256"),
    [
        (another_v2()[:-1_000], None),
        (another_v2(), "0" * 64),
        (b"GIF89a", None),
        (b"", None),
        (a_net_of_something_else(), None),
    ],
)
def test_a_torn_or_foreign_artefact_is_not_deployed(
    app: Flask, artefact: bytes, sha256: str | None
) -> None:
    with app.app_context():
        model_id = keep(artefact, sha256=sha256)
    body = {"version": "v2"}
    answer = admin_client(app).call("POST", f"/admin/models/{model_id}/deploy", json=body)
    assert answer.status_code == 422
    with app.app_context():
        assert len(deployments()) == 2


@pytest.mark.parametrize("is_started_anew", [False, True])
def test_where_the_last_deployment_cannot_serve_the_last_good_model_does(
    app: Flask, golden: GoldenSet, is_started_anew: bool
) -> None:
    inference = container_of(app).inference
    with app.app_context():
        inference.reload()
        good = registry.deployment_history_ids(Version.V2)[0]
        with write_transaction() as session:
            torn = registry.get_or_create(session, "torn", another_v2()[:-1_000])
            registry.deploy_in(session, Version.V2, torn, "by hand")
        inference = InferenceService(app.app_context) if is_started_anew else inference
        for _ in range(3):
            inference.reload()
        assert inference.predict(Version.V2, golden.digits[0]).model.id == good
        told = alerts.list_recent(10)
    assert [alert.kind for alert in told] == ["invalid model"]
    assert told[0].message.startswith("v2: model unavailable: ")
    assert (
        admin_client(app).call("GET", "/admin/alerts").get_json()["alerts"][0]["id"] == told[0].id
    )


def test_where_every_artefact_is_damaged_nothing_is_served(app: Flask) -> None:
    with app.app_context():
        with write_transaction() as session:
            session.execute(text("UPDATE model SET artifact = :torn"), {"torn": b"torn"})
        with pytest.raises(Unavailable, match="There is no usable model for v1"):
            InferenceService(app.app_context).reload()
    assert app.test_client().get("/readyz").status_code == 503


def test_a_served_cifra_follows_a_deployment_within_two_seconds(
    server: Server, golden: GoldenSet
) -> None:
    admin: Client = server.admin_client()
    before = admin.predict("v2", golden.png_of(3)).json()["model"]
    v1 = next(
        model
        for model in admin.call("GET", "/admin/models").json()["models"]
        if "v1" in model["deployed_as"]
    )
    deployed = admin.call("POST", f"/admin/models/{v1['id']}/deploy", json={"version": "v2"})
    assert deployed.status_code == 201

    def served() -> dict[str, str]:
        model: dict[str, str] = admin.predict("v2", golden.png_of(3)).json()["model"]
        return model

    assert within_two_seconds(lambda: served()["hash"] == v1["hash"])
    assert admin.call("POST", "/admin/versions/v2/rollback").status_code == 201
    assert within_two_seconds(lambda: served() == before)


def test_many_digits_are_read_together_as_each_by_itself(app: Flask, golden: GoldenSet) -> None:
    digits = list(golden.digits[:70])
    with app.app_context():
        inference = container_of(app).inference
        together = [
            read_transaction.digit
            for read_transaction in inference.predict_many(Version.V2, digits)
        ]
        alone = [inference.predict(Version.V2, digit).digit for digit in digits]
        assert inference.predict_many(Version.V2, []) == []
    assert together == alone
