"""Which model serves a version: bundled models, deployments, rollbacks and invalid models."""

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
from app.domain.errors import InvalidModel, Unavailable
from app.services.models import registry
from app.services.models.inference import InferenceService
from app.services.notifications import alerts
from app.store.engine.db import read_transaction, write_transaction
from app.store.queries import models as rows
from app.store.tables import Deployment, Model
from config import ROOT
from tests.conftest import GoldenSet, UserClient, admin_client, container_of
from tests.support.server_process import Client, Server

BUNDLED = ROOT / "models"


def list_reasons() -> list[tuple[str, str]]:
    """Return version and reason of every deployment, in order."""
    with read_transaction() as session:
        found = session.execute(text("SELECT version, reason FROM deployment ORDER BY id"))
        return [tuple(row) for row in found]


def folder_with_v1_twice(tmp_path: Path) -> Path:
    """Make a folder of bundled models in which v1's file is also v2's."""
    for version in Version:
        (tmp_path / f"{version}.onnx").write_bytes((BUNDLED / "v1.onnx").read_bytes())
    return tmp_path


def store_model(artifact: bytes, name: str = "another", sha256: str | None = None) -> int:
    """Store a model without deploying it; returns its id."""
    with write_transaction() as session:
        model = registry.get_or_create(session, name, artifact)
        model.sha256 = sha256 or model.sha256
        return model.id


def another_v2(name: str = "another") -> bytes:
    net = onnx.load(BUNDLED / "v2.onnx")
    helper.set_model_props(net, {"name": name})
    return net.SerializeToString()


def another_network() -> bytes:
    """Return a model that can be opened but has another input."""
    net = onnx.load(BUNDLED / "v1.onnx")
    for node in net.graph.node:
        node.input[:] = ["tokens" if name == "digits" else name for name in node.input]
    net.graph.input[0].name = "tokens"
    return net.SerializeToString()


@pytest.fixture
def admin(app_on_each: Flask) -> UserClient:
    return admin_client(app_on_each)


def test_the_first_start_deploys_both_bundled_models(app_on_each: Flask) -> None:
    with app_on_each.app_context():
        assert list_reasons() == [("v1", "bundled"), ("v2", "bundled")]
        for version in Version:
            expected = hashlib.sha256((BUNDLED / f"{version}.onnx").read_bytes()).hexdigest()
            [serving] = registry.deployment_history_ids(version)
            assert registry.get_artifact(serving).model.sha256 == expected


def test_a_restart_with_the_same_models_deploys_nothing(app: Flask) -> None:
    with app.app_context():
        registry.register_bundled(BUNDLED)
        assert len(list_reasons()) == 2


def test_a_newer_bundled_model_replaces_the_older_one(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        registry.register_bundled(folder_with_v1_twice(tmp_path))
        assert list_reasons()[2:] == [("v2", "bundled")]
        assert (
            registry.deployment_history_ids(Version.V2)[0]
            == registry.deployment_history_ids(Version.V1)[0]
        )


def test_a_bundled_model_that_was_rolled_back_is_not_deployed_again(
    app: Flask, tmp_path: Path
) -> None:
    with app.app_context():
        registry.register_bundled(folder_with_v1_twice(tmp_path))
        registry.roll_back(Version.V2, 1)
        registry.register_bundled(tmp_path)
        assert list_reasons()[2:] == [("v2", "bundled"), ("v2", "rolled back")]


def test_a_retrained_model_stays_deployed(app: Flask, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with app.app_context():
        with write_transaction() as session:
            own = Model(name="own", sha256="0" * 64, artifact=b"", is_bundled=False, created_at=now)
            rows.add(session, own)
            put = Deployment(version="v2", model_id=own.id, reason="retrain", created_at=now)
            rows.add_deployment(session, put)
        registry.register_bundled(folder_with_v1_twice(tmp_path))
        assert list_reasons()[2:] == [("v2", "retrain")]


def test_any_model_can_be_deployed_and_serves_immediately(
    app_on_each: Flask, admin: UserClient, golden: GoldenSet
) -> None:
    with app_on_each.app_context():
        model_id = store_model(another_v2())
        container_of(app_on_each).inference.reload()
    deployed = admin.call("POST", f"/admin/models/{model_id}/deploy", json={"version": "v2"})
    assert deployed.status_code == 201
    assert deployed.get_json()["model"]["name"] == "another"
    assert v2_becomes(admin, golden, "another")


def v2_becomes(admin: UserClient, golden: GoldenSet, name: str) -> bool:
    """Return whether v2 comes to be served by this model."""
    return comes_true(
        lambda: admin.predict("v2", golden.png_of(3)).get_json()["model"]["name"] == name
    )


def comes_true(condition: Callable[[], bool]) -> bool:
    """Return whether a condition comes to hold: within two seconds, or later on a busy machine."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_each_rollback_restores_the_model_before(app_on_each: Flask, admin: UserClient) -> None:
    with app_on_each.app_context():
        first = registry.deployment_history_ids(Version.V2)[0]
        second, third = store_model(another_v2("second")), store_model(another_v2("third"))
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
        "rolled back",
        "rolled back",
        "deployed",
        "deployed",
        "bundled",
        "bundled",
    ]


def test_a_rollback_without_a_previous_model_or_version_is_rejected(admin: UserClient) -> None:
    assert admin.call("POST", "/admin/versions/v1/rollback").status_code == 409
    assert admin.call("POST", "/admin/versions/v3/rollback").status_code == 404


@pytest.mark.parametrize(
    ("artifact", "sha256"),
    [
        (another_v2()[:-1_000], None),
        (another_v2(), "0" * 64),
        (b"GIF89a", None),
        (b"", None),
        (another_network(), None),
    ],
)
def test_a_damaged_or_foreign_artifact_is_not_deployed(
    app: Flask, artifact: bytes, sha256: str | None
) -> None:
    with app.app_context():
        model_id = store_model(artifact, sha256=sha256)
    body = {"version": "v2"}
    answer = admin_client(app).call("POST", f"/admin/models/{model_id}/deploy", json=body)
    assert answer.status_code == 422
    with app.app_context():
        assert len(list_reasons()) == 2


@pytest.mark.parametrize("is_restarted", [False, True])
def test_the_last_valid_model_serves_when_the_deployed_one_is_invalid(
    app: Flask, golden: GoldenSet, is_restarted: bool
) -> None:
    inference = container_of(app).inference
    with app.app_context():
        inference.reload()
        good = registry.deployment_history_ids(Version.V2)[0]
        with write_transaction() as session:
            damaged = registry.get_or_create(session, "damaged", another_v2()[:-1_000])
            registry.deploy_in(session, Version.V2, damaged, "by hand")
        inference = InferenceService(app.app_context) if is_restarted else inference
        for _ in range(3):
            inference.reload()
        assert inference.predict(Version.V2, golden.digits[0]).model.id == good
        raised = alerts.list_recent(10)
    assert [alert.kind for alert in raised] == ["invalid model"]
    assert raised[0].message.startswith("v2: model unavailable: ")
    assert (
        admin_client(app).call("GET", "/admin/alerts").get_json()["alerts"][0]["id"] == raised[0].id
    )


def test_nothing_is_served_when_every_artifact_is_damaged(app: Flask) -> None:
    with app.app_context():
        with write_transaction() as session:
            session.execute(text("UPDATE model SET artifact = :damaged"), {"damaged": b"damaged"})
        with pytest.raises(Unavailable, match="There is no usable model for v1"):
            InferenceService(app.app_context).reload()
    assert app.test_client().get("/readyz").status_code == 503


def test_a_start_restores_a_damaged_bundled_model_with_one_line(
    app_on_each: Flask, golden: GoldenSet, caplog: pytest.LogCaptureFixture
) -> None:
    with app_on_each.app_context():
        registry.register_bundled(BUNDLED)
        assert caplog.messages == []
        artifact = bytearray((BUNDLED / "v1.onnx").read_bytes())
        artifact[len(artifact) // 2] ^= 1
        with write_transaction() as session:
            damage = "UPDATE model SET artifact = :damaged WHERE name = 'cifra-baseline'"
            session.execute(text(damage), {"damaged": bytes(artifact)})
        registry.register_bundled(BUNDLED)
        assert len(caplog.messages) == 1
        assert "restored model" in caplog.messages[0]
        assert len(list_reasons()) == 2
        inference = InferenceService(app_on_each.app_context)
        inference.reload()
        assert inference.predict(Version.V1, golden.digits[0]).digit == golden.labels[0]
        assert alerts.list_recent(1) == []


@pytest.mark.parametrize("content", [b"no model", None])
def test_a_start_without_the_file_of_a_bundled_model_serves_the_stored_one_if_there_is_one(
    app: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    folder = folder_with_v1_twice(tmp_path)
    (folder / "v1.onnx").unlink() if content is None else (folder / "v1.onnx").write_bytes(content)
    with app.app_context():
        registry.register_bundled(folder)
        assert [message for message in caplog.messages if str(folder / "v1.onnx") in message]
        InferenceService(app.app_context).reload()
        with write_transaction() as session:
            session.execute(text("DELETE FROM deployment"))
        with pytest.raises(InvalidModel, match=r"v1\.onnx .*; restore it from the release$"):
            registry.register_bundled(folder)


def test_a_server_picks_up_a_deployment_by_itself(server: Server, golden: GoldenSet) -> None:
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

    assert comes_true(lambda: served()["hash"] == v1["hash"])
    assert admin.call("POST", "/admin/versions/v2/rollback").status_code == 201
    assert comes_true(lambda: served() == before)


def test_batched_and_single_predictions_are_equal(app: Flask, golden: GoldenSet) -> None:
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
