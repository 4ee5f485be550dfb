"""Experiments: the automatic start, one at a time, ramps, and deployments."""

from functools import partial
from pathlib import Path

import onnx
import pytest
from flask import Flask
from onnx import helper
from sqlalchemy import select, text

from app.domain.assignment import AssignmentUnit
from app.services.experiments import lifecycle
from app.services.maintenance import counter_audit
from app.services.models import registry
from app.store.engine.db import read_transaction, write_transaction
from app.store.queries import counters
from app.store.queries import experiments as exposures
from app.store.tables import Experiment, Exposure, TrafficCount
from config import ROOT
from tests.conftest import (
    GoldenSet,
    UserClient,
    admin_client,
    container_of,
    register_user,
    run_concurrently,
)


@pytest.fixture
def admin(app_on_each: Flask) -> UserClient:
    return admin_client(app_on_each)


def start_experiment(admin: UserClient, **plan: object) -> dict[str, object]:
    """Stop the running experiment, if any, and start another one."""
    running = admin.call("GET", "/admin/experiments").get_json()["experiments"][0]
    if running["running"]:
        assert admin.call("POST", f"/admin/experiments/{running['id']}/stop").status_code == 200
    started = admin.call("POST", "/admin/experiments", json=plan)
    assert started.status_code == 201, started.text
    found: dict[str, object] = started.get_json()
    return found


def write_newer_models(tmp_path: Path) -> Path:
    """Write a folder like models/ with another v1."""
    folder = tmp_path / "models"
    folder.mkdir()
    newer = onnx.load(ROOT / "models" / "v1.onnx")
    helper.set_model_props(newer, {"name": "a newer baseline"})
    onnx.save(newer, folder / "v1.onnx")
    (folder / "v2.onnx").write_bytes((ROOT / "models" / "v2.onnx").read_bytes())
    return folder


def test_the_first_start_starts_an_experiment_with_equal_weights(admin: UserClient) -> None:
    listed = admin.call("GET", "/admin/experiments").get_json()["experiments"]
    assert len(listed) == 1
    assert listed[0]["running"]
    assert (listed[0]["weight"], listed[0]["unit"]) == (0.5, "request")
    assert listed[0]["verdict"] == "collecting"


def test_one_experiment_runs_at_a_time_even_with_concurrent_starts(
    app_on_each: Flask, admin: UserClient
) -> None:
    assert admin.call("POST", "/admin/experiments").status_code == 409
    assert admin.call("POST", "/admin/experiments/1/stop").status_code == 200
    answers = run_concurrently(
        6, lambda: admin.call("POST", "/admin/experiments", json={"weight": 0.2})
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


def test_a_stopped_or_unknown_experiment_cannot_be_stopped(
    admin: UserClient,
) -> None:
    assert admin.call("POST", "/admin/experiments/1/stop").status_code == 200
    assert admin.call("POST", "/admin/experiments/1/stop").status_code == 409
    assert admin.call("POST", "/admin/experiments/1/conclude").status_code == 409
    assert admin.call("POST", "/admin/experiments/77/stop").status_code == 404


def test_without_an_experiment_ab_keeps_the_last_weight_and_counts_no_evidence(
    app_on_each: Flask, admin: UserClient, golden: GoldenSet
) -> None:
    start_experiment(admin, weight=1)
    assert admin.call("POST", "/admin/experiments/2/stop").status_code == 200
    versions = {admin.predict("ab", golden.png(i)).get_json()["ab_version"] for i in range(6)}
    assert versions == {"v2"}
    stopped = admin.call("GET", "/admin/experiments").get_json()["experiments"][0]
    assert stopped["requests"] == 0


@pytest.mark.parametrize(("winner", "loser"), [("v1", "v2"), ("v2", "v1")])
def test_concluding_gives_all_ab_traffic_to_the_winner_and_shadows_the_loser(
    app: Flask, golden: GoldenSet, winner: str, loser: str
) -> None:
    admin = admin_client(app)
    assert admin.call("POST", "/admin/experiments/1/conclude").status_code == 409
    body = {"winner": winner}
    concluded = admin.call("POST", "/admin/experiments/1/conclude", json=body)
    assert concluded.get_json()["end_reason"] == "concluded"
    for index in range(6):
        made = admin.predict("ab", golden.png(index)).get_json()
        assert made["ab_version"] == winner
    feedback = {"prediction_id": made["prediction_id"], "correct": True}
    assert admin.call("POST", "/feedback", json=feedback).status_code == 201
    shown = admin.call("GET", f"/predictions/{made['prediction_id']}").get_json()
    assert shown["shadow_prediction"]["version"] == loser


@pytest.mark.parametrize(
    "body",
    [
        {"weight": 1.5},
        {"weight": "x"},
        {"unit": "country"},
        {"ramp": [0.5, 0.1]},
        {"ramp": [0.1, 1.5]},
        {"ramp": [0.1, 0.1]},
        {"ramp": [0.1], "weight": 0.5},
        {"ramp_units": 0},
        {"ramp_units": True},
        {"weight": True},
        {"ramp": "all"},
    ],
)
def test_an_invalid_plan_is_rejected(app: Flask, body: dict[str, object]) -> None:
    admin = admin_client(app)
    admin.call("POST", "/admin/experiments/1/stop")
    rejected = admin.call("POST", "/admin/experiments", json=body)
    assert rejected.status_code == 400
    assert any(name in rejected.get_json()["msg"] for name in body)


def test_a_plan_with_an_unknown_field_is_rejected(app: Flask) -> None:
    admin = admin_client(app)
    admin.call("POST", "/admin/experiments/1/stop")
    assert admin.call("POST", "/admin/experiments", json={"wieght": 0.1}).status_code == 400


def test_a_deployment_without_a_running_experiment_starts_none(app: Flask, tmp_path: Path) -> None:
    admin = admin_client(app)
    body = {"winner": "v1"}
    assert admin.call("POST", "/admin/experiments/1/conclude", json=body).status_code == 200
    with app.app_context():
        registry.register_bundled(write_newer_models(tmp_path))
        assert len(lifecycle.list_recent(5)) == 1
        assert lifecycle.current_split().weight == 0


def test_a_ramp_advances_by_assigned_units_and_then_stays(app: Flask, golden: GoldenSet) -> None:
    admin = admin_client(app)
    start_experiment(admin, ramp=[0.01, 0.25, 0.5], ramp_units=3)
    for index in range(9):
        container_of(app).split_cache.invalidate()  # as if a second had passed
        assert admin.predict("ab", golden.png(index)).status_code == 200
    stages = admin.call("GET", "/admin/experiments").get_json()["experiments"][0]["stages"]
    assert [step["weight"] for step in stages] == [0.01, 0.25, 0.5]
    assert [step["reason"] for step in stages] == ["started", "ramp", "ramp"]


def test_a_ramp_rolls_back_to_v1_on_a_sample_ratio_mismatch(app: Flask, golden: GoldenSet) -> None:
    admin = admin_client(app)
    start_experiment(admin, ramp=[0.01, 0.5], ramp_units=1_000)
    with app.app_context():
        with write_transaction() as session:
            session.execute(
                text(
                    "INSERT INTO traffic_count (worker, stage_id, version, served, assigned_units)"
                    " VALUES (99, 2, 'v2', 40, 40)"
                )
            )
        lifecycle.advance()
        lifecycle.advance()
    container_of(app).split_cache.invalidate()
    found = admin.call("GET", "/admin/experiments").get_json()["experiments"][0]
    assert [step["weight"] for step in found["stages"]] == [0.01, 0.0]
    assert found["stages"][-1]["reason"] == "rolled back: sample ratio mismatch"
    assert (found["verdict"], found["reason"]) == ("invalid", "sample ratio mismatch")
    versions = {admin.predict("ab", golden.png(i)).get_json()["ab_version"] for i in range(6)}
    assert versions == {"v1"}


def test_a_deployment_ends_the_experiment_and_starts_one_with_the_same_weight(
    app_on_each: Flask, admin: UserClient, tmp_path: Path
) -> None:
    start_experiment(admin, weight=0.2, unit="user")
    with app_on_each.app_context():
        registry.register_bundled(write_newer_models(tmp_path))
        newest, before = lifecycle.list_recent(2)
    assert (before.end_reason, before.ended_at is None) == ("deployment", False)
    assert newest.ended_at is None
    assert (newest.unit, newest.stages[-1].weight) == (AssignmentUnit.USER, 0.2)
    assert (newest.stages[-1].reason, newest.evaluation.traffic.total) == ("deployment", 0)


def test_users_who_see_both_versions_within_a_stage_are_counted_as_crossovers(
    app: Flask, golden: GoldenSet
) -> None:
    admin = admin_client(app)
    start_experiment(admin, unit="user")
    for number in range(5):
        person = register_user(app, f"user{number}")
        drawn = person.predict("ab", golden.png(0)).get_json()["ab_version"]
        other = "v1" if drawn == "v2" else "v2"
        with app.app_context():  # as a worker with another split would
            with read_transaction() as session:
                last = select(Exposure.unit_hash).order_by(text("rowid DESC"))
                met = str(session.scalars(last).first())
            expose = partial(exposures.record_exposure, stage_id=2, unit_hash=met, version=other)
            units = container_of(app).batch_writer.write(expose)
            with write_transaction() as session:
                key = {"worker": 1, "stage_id": 2, "version": other}
                more = {"assigned_units": units.assigned, "crossed_over": units.crossed_over}
                counters.increment(session, TrafficCount, key, **more)
    found = admin.call("GET", "/admin/experiments").get_json()["experiments"][0]
    assert found["crossover_rate"] == 0.5
    assert (found["verdict"], found["reason"]) == ("invalid", "crossovers")
    assert "users exposed to both versions" in found["warnings"]
    with app.app_context():
        assert list(counter_audit.list_differences()) == []


def test_a_sample_ratio_mismatch_voids_an_experiment_for_good(app: Flask) -> None:
    def draw(version: str, units: int) -> None:
        with app.app_context():
            with write_transaction() as session:
                key = {"worker": 0, "stage_id": 1, "version": version}
                counters.increment(session, TrafficCount, key, served=units, assigned_units=units)
            lifecycle.advance()

    draw("v1", 400)
    draw("v2", 600)
    draw("v1", 25_200)
    draw("v2", 25_000)
    with app.app_context():
        found = lifecycle.get(1)
    assert found.evaluation.validity.mismatch_log_e_value < 0
    assert found.evaluation.verdict.reason == "sample ratio mismatch"


def test_predictions_of_other_models_than_the_compared_ones_are_no_evidence(
    app: Flask, golden: GoldenSet
) -> None:
    admin = admin_client(app)
    assert admin.predict("ab", golden.png(0)).status_code == 200
    with (
        app.app_context(),
        write_transaction() as session,
    ):  # a deployment that this process has not loaded
        session.get_one(Experiment, 1).v2_model_id = 1
    container_of(app).split_cache.invalidate()
    assert admin.predict("ab", golden.png(1)).status_code == 200
    found = admin.call("GET", "/admin/experiments").get_json()["experiments"][0]
    assert found["requests"] == 1


def test_exposures_store_pseudonyms_instead_of_user_ids(app: Flask, golden: GoldenSet) -> None:
    admin = admin_client(app)
    start_experiment(admin, unit="user")
    admin.predict("ab", golden.png(0))
    with app.app_context(), read_transaction() as session:
        assert session.scalar(text("SELECT unit_hash FROM exposure")) not in {"1", "admin"}
