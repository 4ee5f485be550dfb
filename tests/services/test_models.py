"""Which model serves a version, and what happens to the shipped ones."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app.domain.assignment import Version
from app.domain.errors import Unavailable
from app.services import models
from app.services.inference import InferenceService
from app.store import models as rows
from app.store.db import reading, writing
from app.store.tables import Deployment, Model
from config import ROOT

SHIPPED = ROOT / "models"


def deployments() -> list[tuple[str, str]]:
    """What was put into service, in order: version and reason."""
    with reading() as session:
        found = session.execute(text("SELECT version, reason FROM deployment ORDER BY id"))
        return [tuple(row) for row in found]


def swapped(tmp_path: Path) -> Path:
    """A folder of shipped models that has v1's file as v2."""
    for version in Version:
        (tmp_path / f"{version}.onnx").write_bytes((SHIPPED / "v1.onnx").read_bytes())
    return tmp_path


def test_a_first_start_puts_both_shipped_models_into_service(app_on_each: Flask) -> None:
    with app_on_each.app_context():
        assert deployments() == [("v1", "shipped"), ("v2", "shipped")]
        for version in Version:
            expected = hashlib.sha256((SHIPPED / f"{version}.onnx").read_bytes()).hexdigest()
            assert models.serving(version).model.sha256 == expected


def test_another_start_with_the_same_models_deploys_nothing(app: Flask) -> None:
    with app.app_context():
        models.take_in_shipped(SHIPPED)
        assert len(deployments()) == 2


def test_a_newer_shipped_model_takes_the_place_of_the_older(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        models.take_in_shipped(swapped(tmp_path))
        assert deployments()[2:] == [("v2", "shipped")]
        assert models.serving(Version.V2).model == models.serving(Version.V1).model


def test_a_model_that_was_trained_here_is_left_in_service(app: Flask, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with app.app_context():
        with writing() as session:
            own = Model(name="own", sha256="0" * 64, artefact=b"", shipped=False, created_at=now)
            rows.add(session, own)
            put = Deployment(version="v2", model_id=own.id, reason="retrain", created_at=now)
            rows.deploy(session, put)
        models.take_in_shipped(swapped(tmp_path))
        assert deployments()[2:] == [("v2", "retrain")]


def test_a_damaged_artefact_is_not_served(app: Flask) -> None:
    with app.app_context():
        with writing() as session:
            session.execute(text("UPDATE model SET artefact = :torn"), {"torn": b"torn"})
        with pytest.raises(Unavailable, match="damaged"):
            InferenceService().load()
    assert app.test_client().get("/readyz").status_code == 503
