"""Drift in what is stored: told once, of the last answers beside those after the deployment."""

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
def world(app_on_each: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An application with small windows."""
    monkeypatch.setattr(drift_monitor, "REFERENCE", 150)
    monkeypatch.setattr(drift_monitor, "RECENT", 60)
    monkeypatch.setattr(drift_monitor, "MIN_NEW", 20)
    monkeypatch.setattr(drift_monitor, "CHECK_EVERY_S", -1.0)
    return app_on_each


def send(app: Flask, pictures: Iterable[np.ndarray], *, directly: bool = False) -> None:
    reader = container_of(app).predictor
    with app.app_context():
        split = lifecycle.current_split()
        for picture in pictures:
            if directly:
                predictor.predict(reader, Version.V2, 1, encode_png(picture))
            else:
                predictor.predict_split(reader, split, 1, encode_png(picture))


def zigzag(golden: GoldenSet, count: int) -> list[np.ndarray]:
    dice = np.random.default_rng(1)
    return [CORRUPTIONS["zigzag"](digit, dice) for digit in golden.digits[:count]]


def told(app: Flask) -> list[str]:
    with app.app_context():
        return [alert.kind for alert in alerts.list_recent(10)]


def test_other_pictures_than_at_the_deployment_raise_one_alert_and_deploy_nothing(
    world: Flask, golden: GoldenSet
) -> None:
    watch = DriftMonitor()
    send(world, golden.digits[:210])
    with world.app_context():
        watch.check()
    assert told(world) == []
    for part in np.array_split(np.array(zigzag(golden, 120)), 4):
        send(world, part)
        with world.app_context():
            watch.check()
            DriftMonitor().check()
    assert told(world) == ["drift"]
    with world.app_context():
        assert len(registry.list_deployments(10)) == 2


def test_too_few_answers_or_none_are_no_drift(world: Flask, golden: GoldenSet) -> None:
    watch = DriftMonitor()
    with world.app_context():
        watch.check()
    send(world, golden.digits[:130])
    send(world, zigzag(golden, 60))
    with world.app_context():
        watch.check()
    assert told(world) == []


def test_a_deployment_begins_another_reference(world: Flask, golden: GoldenSet) -> None:
    watch = DriftMonitor()
    send(world, golden.digits[:210])
    with world.app_context():
        watch.check()
        registry.deploy(1, Version.V2, 1)
        container_of(world).inference.reload()
    send(world, zigzag(golden, 210))
    with world.app_context():
        watch.check()
    assert told(world) == []


def test_answers_of_v2_alone_count_too(world: Flask, golden: GoldenSet) -> None:
    watch = DriftMonitor()
    send(world, golden.digits[:210], directly=True)
    send(world, zigzag(golden, 60), directly=True)
    with world.app_context():
        watch.check()
    assert told(world) == ["drift"]


def test_an_answer_is_that_of_the_version_whoever_was_drawn(
    world: Flask, golden: GoldenSet
) -> None:
    send(world, golden.digits[:30])
    inference = container_of(world).inference
    with world.app_context():
        since = registry.list_deployments(1)[0].created_at
        with read_transaction() as session:
            found = predictions.list_outputs(session, Version.V2, since, 30)
            last = predictions.list_outputs(session, Version.V2, since, 5, last=True)
        expected = [inference.predict(Version.V2, digit).digit for digit in golden.digits[:30]]
    assert [answer.digit for answer in found] == expected
    assert last == found[-5:]
    assert all(answer.disagrees is not None for answer in found)
