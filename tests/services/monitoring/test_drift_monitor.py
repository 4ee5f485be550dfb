"""Drift between the latest predictions and those after the deployment raises one alert."""

from collections.abc import Iterable

import numpy as np
import pytest
from flask import Flask

from app.domain.assignment import Version
from app.imaging.decoding import encode_png
from app.services.experiments import lifecycle
from app.services.models import registry
from app.services.monitoring import drift_monitor
from app.services.monitoring.drift_monitor import DriftMonitor
from app.services.notifications import alerts
from app.services.predictions import predictor
from app.store.engine.db import read_transaction
from app.store.queries import predictions
from app.training.mnist_c import CORRUPTIONS
from tests.conftest import GoldenSet, container_of


@pytest.fixture
def drift_app(app_on_each: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Return an application whose drift monitor has small windows."""
    monkeypatch.setattr(drift_monitor, "REFERENCE", 150)
    monkeypatch.setattr(drift_monitor, "RECENT", 60)
    monkeypatch.setattr(drift_monitor, "MIN_NEW", 20)
    monkeypatch.setattr(drift_monitor, "CHECK_EVERY_S", -1.0)
    return app_on_each


def send(app: Flask, images: Iterable[np.ndarray], *, directly: bool = False) -> None:
    reader = container_of(app).predictor
    with app.app_context():
        split = lifecycle.current_split()
        for image in images:
            if directly:
                predictor.predict(reader, Version.V2, 1, encode_png(image))
            else:
                predictor.predict_split(reader, split, 1, encode_png(image))


def zigzag(golden: GoldenSet, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [CORRUPTIONS["zigzag"](digit, rng) for digit in golden.digits[:count]]


def alert_kinds(app: Flask) -> list[str]:
    with app.app_context():
        return [alert.kind for alert in alerts.list_recent(10)]


def test_drifted_images_raise_one_alert_and_deploy_nothing(
    drift_app: Flask, golden: GoldenSet
) -> None:
    monitor = DriftMonitor()
    send(drift_app, golden.digits[:210])
    with drift_app.app_context():
        monitor.check()
    assert alert_kinds(drift_app) == []
    for part in np.array_split(np.array(zigzag(golden, 120)), 4):
        send(drift_app, part)
        with drift_app.app_context():
            monitor.check()
            DriftMonitor().check()
    assert alert_kinds(drift_app) == ["drift"]
    with drift_app.app_context():
        assert len(registry.list_deployments(10)) == 2


def test_too_few_predictions_are_no_drift(drift_app: Flask, golden: GoldenSet) -> None:
    monitor = DriftMonitor()
    with drift_app.app_context():
        monitor.check()
    send(drift_app, golden.digits[:130])
    send(drift_app, zigzag(golden, 60))
    with drift_app.app_context():
        monitor.check()
    assert alert_kinds(drift_app) == []


def test_a_deployment_starts_a_new_reference(drift_app: Flask, golden: GoldenSet) -> None:
    monitor = DriftMonitor()
    send(drift_app, golden.digits[:210])
    with drift_app.app_context():
        monitor.check()
        registry.deploy(1, Version.V2, 1)
        container_of(drift_app).inference.reload()
    send(drift_app, zigzag(golden, 210))
    with drift_app.app_context():
        monitor.check()
    assert alert_kinds(drift_app) == []


def test_direct_predictions_of_v2_count_too(drift_app: Flask, golden: GoldenSet) -> None:
    monitor = DriftMonitor()
    send(drift_app, golden.digits[:210], directly=True)
    send(drift_app, zigzag(golden, 60), directly=True)
    with drift_app.app_context():
        monitor.check()
    assert alert_kinds(drift_app) == ["drift"]


def test_outputs_are_those_of_the_version_answering_or_shadow(
    drift_app: Flask, golden: GoldenSet
) -> None:
    send(drift_app, golden.digits[:30])
    inference = container_of(drift_app).inference
    with drift_app.app_context():
        since = registry.list_deployments(1)[0].created_at
        with read_transaction() as session:
            found = predictions.list_outputs(session, Version.V2, since, 30)
            last = predictions.list_outputs(session, Version.V2, since, 5, last=True)
        expected = [inference.predict(Version.V2, digit).digit for digit in golden.digits[:30]]
    assert [output.digit for output in found] == expected
    assert last == found[-5:]
    assert all(output.disagrees is not None for output in found)
