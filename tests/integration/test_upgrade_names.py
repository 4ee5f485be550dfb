"""Migration 0008 keeps every row under the new names, and its downgrade restores the old ones."""

import hashlib
import json
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.pool import NullPool

from app import bootstrap
from app.api.http.container import container
from app.domain.errors import Unavailable
from app.services.models.digit_classifier import read_model_name
from app.store.engine import migration_state, sqlite_backup
from app.store.engine.migration_state import register_flask_migrate
from tests.conftest import ADMIN_PASSWORD, admin_client, container_of, make_config, opened_app
from tests.support.server_process import ROOT

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Renamed:
    """A value that the migration renames."""

    old: Any
    new: Any


TABLES = {
    "stage": "experiment_stage",
    "probe": "attention_check",
    "guard": "guarded_rollout",
    "guard_case": "rollout_comparison",
    "notice": "notification",
    "word_count": "feedback_count",
}
COLUMNS = {
    "user": {"mail_kinds": "notification_kinds", "mail_due_at": "next_mail_at"},
    "model": {"artefact": "artifact", "shipped": "is_bundled", "rejection": "rejection_reason"},
    "experiment": {"winner_informative": "winner_discordant", "winner_v2_alone": "winner_v2_wins"},
    "prediction": {"digit": "predicted_digit", "image": "digit_image"},
    "feedback": {"picture_hash": "image_hash", "counted": "is_eligible"},
    "exposure": {"crossed": "crossed_over"},
    "review_item": {"picture_hash": "image_hash", "place": "order_key"},
    "review": {"truth": "label"},
    "probe": {
        "number": "image_index",
        "digit": "true_digit",
        "said": "answer",
        "said_at": "answered_at",
    },
    "guard_case": {
        "guard_id": "rollout_id",
        "digit": "predicted_digit",
        "is_disputed": "versions_disagree",
    },
    "retrain_job": {
        "fence": "fencing_token",
        "share": "progress",
        "lessons": "train_labels",
        "holdout": "holdout_labels",
    },
    "traffic_count": {"units": "assigned_units", "crossed": "crossed_over"},
    "label_count": {"truth": "label"},
    "confidence_count": {"sure": "confidence_sum_millionths"},
    "word_count": {
        "words": "total",
        "counted": "eligible",
        "counted_correct": "eligible_correct",
    },
}

AT = "2026-09-01 10:00:00.000000"
ASKED, AGREED, PROBED = (f"{number:032x}" for number in (1, 2, 3))
LOGIN = f"{4:032x}"
PACKED, IMAGE = b"\x00\x00\x80?" + b"\x00" * 36, bytes(range(196)) * 4

GATES = Renamed(
    old=[
        {
            "name": "validation beside shipped",
            "passed": True,
            "said": "+0.01%",
            "numbers": {"candidate": 0.99, "other": 0.98, "difference": 0.01},
        },
        {"name": "bound", "passed": True, "said": "-0.1%", "numbers": {"lower_bound": -0.001}},
        {"name": "digits", "passed": True, "said": "7", "numbers": {"7": -0.002}},
        {"name": "kinds", "passed": False, "said": "photo", "numbers": {"photo": -0.02}},
        {
            "name": "better",
            "passed": True,
            "said": "+2%",
            "numbers": {"holdout": 0.02, "holdout_pictures": 40, "p_value": 0.03, "lessons": 0.04},
        },
    ],
    new=[
        {
            "name": "validation vs bundled",
            "passed": True,
            "summary": "+0.01%",
            "metrics": {"candidate": 0.99, "baseline": 0.98, "difference": 0.01},
        },
        {
            "name": "non-inferiority",
            "passed": True,
            "summary": "-0.1%",
            "metrics": {"lower_bound": -0.001},
        },
        {"name": "per-class accuracy", "passed": True, "summary": "7", "metrics": {"7": -0.002}},
        {"name": "robustness", "passed": False, "summary": "photo", "metrics": {"photo": -0.02}},
        {
            "name": "improvement",
            "passed": True,
            "summary": "+2%",
            "metrics": {"holdout": 0.02, "holdout_images": 40, "p_value": 0.03, "train": 0.04},
        },
    ],
)

ROLLED_BACK = Renamed("turned back: sample ratio mismatch", "rolled back: sample ratio mismatch")


def old_rows(password_hash: str) -> Rows:
    """Return rows for every table of migration 0007, in an order in which they can be inserted."""
    models = [(ROOT / "models" / f"{version}.onnx").read_bytes() for version in ("v1", "v2")]
    job = {"version": "v2", "deploy": "auto", "created_at": AT}
    return {
        "user": [
            {
                "username": "admin",
                "password_hash": password_hash,
                "email": "admin@example.org",
                "role": "admin",
                "mail_kinds": ["alert", "feedback"],
                "mail_due_at": AT,
            },
            {"username": "ana"},
        ],
        "login_session": [
            {
                "id": LOGIN,
                "user_id": 2,
                "refresh_jti": "j",
                "created_at": AT,
                "expires_at": AT,
            }
        ],
        "model": [
            *(
                {
                    "name": read_model_name(onnx),
                    "sha256": hashlib.sha256(onnx).hexdigest(),
                    "artefact": onnx,
                    "shipped": True,
                    "created_at": AT,
                }
                for onnx in models
            ),
            {
                "name": "own",
                "sha256": "0" * 64,
                "artefact": b"own",
                "shipped": False,
                "created_at": AT,
                "version": "v2",
                "rejection": "bound: too low",
            },
        ],
        "deployment": [
            {
                "version": f"v{number}",
                "model_id": number,
                "reason": Renamed("shipped", "bundled"),
                "created_at": AT,
            }
            for number in (1, 2)
        ]
        + [{"version": "v2", "model_id": 2, "reason": "rolled back", "created_at": AT}],
        "experiment": [
            {
                "v1_model_id": 1,
                "v2_model_id": 2,
                "unit": "user",
                "salt": "s",
                "ramp": [0.1, 0.5],
                "ramp_units": 100,
                "started_at": AT,
                "winner": "v2",
                "winner_at": AT,
                "winner_informative": 9,
                "winner_v2_alone": 8,
                "winner_e_value": 21.5,
            }
        ],
        "stage": [
            {"experiment_id": 1, "weight": 0.5, "reason": "ramp", "started_at": AT},
            {"experiment_id": 1, "weight": 0.0, "reason": ROLLED_BACK, "started_at": AT},
        ],
        "prediction": [
            {
                "id": ASKED,
                "user_id": 2,
                "created_at": AT,
                "version": "v1",
                "model_id": 1,
                "digit": 3,
                "probabilities": PACKED,
                "image": IMAGE,
                "latency_us": 700,
                "stage_id": 1,
                "assignment_probability": 0.5,
                "shadow_model_id": 2,
                "shadow_digit": 5,
                "shadow_probabilities": PACKED,
            },
            {
                "id": AGREED,
                "created_at": AT,
                "version": "v2",
                "model_id": 2,
                "digit": 7,
                "probabilities": PACKED,
            },
        ],
        "feedback": [
            {
                "prediction": 3,
                "correct": False,
                "comment": "era un 5",
                "user_id": 2,
                "prediction_id": ASKED,
                "digit": 5,
                "created_at": AT,
                "version": "v1",
                "experiment_id": 1,
                "picture_hash": "h1",
                "counted": True,
            },
            {"correct": True},
        ],
        "exposure": [{"stage_id": 1, "unit_hash": "u", "version": "v1", "crossed": True}],
        "review_item": [
            {
                "prediction_id": ASKED,
                "experiment_id": 1,
                "picture_hash": "h1",
                "is_audit": False,
                "is_open": False,
                "place": 2**40,
                "leased_by": 1,
                "leased_until": AT,
            },
            {"prediction_id": AGREED, "picture_hash": "h2", "is_audit": False, "place": 7},
        ],
        "review": [
            {
                "experiment_id": 1,
                "prediction_id": ASKED,
                "reviewer_id": 1,
                "is_audit": False,
                "truth": 5,
                "created_at": AT,
            }
        ],
        "probe": [
            {
                "id": PROBED,
                "reviewer_id": 1,
                "number": 17,
                "digit": 4,
                "said": 9,
                "leased_until": AT,
                "said_at": AT,
            }
        ],
        "guard": [
            {
                "version": "v2",
                "model_id": 2,
                "predecessor_id": 1,
                "opened_at": AT,
                "closed_at": AT,
                "outcome": "worse",
            }
        ],
        "guard_case": [
            {
                "guard_id": 1,
                "prediction_id": ASKED,
                "digit": 3,
                "predecessor_digit": 5,
                "is_disputed": True,
            }
        ],
        "alert": [
            {"kind": kind, "message": "it happened", "created_at": AT}
            for kind in (
                "drift",
                Renamed("rolled back", "rollback"),
                Renamed("limits", "rate limits"),
                Renamed("unfit model", "invalid model"),
            )
        ],
        "notice": [{"user_id": 1, "kind": "alert", "message": "drift: it is", "created_at": AT}],
        "retrain_job": [
            job
            | {
                "requested_by": 1,
                "status": "deployed",
                "fence": 2,
                "stage": Renamed("examining", "evaluating"),
                "share": 1.0,
                "lessons": 150,
                "holdout": 40,
                "gates": GATES,
                "model_id": 3,
                "log": "learned",
            },
            job | {"status": "failed", "error": "given up"},
        ],
        "traffic_count": [
            {
                "worker": worker,
                "stage_id": 1,
                "version": version,
                "served": 20,
                "disagreements": 4,
                "units": 10,
                "crossed": 0,
            }
            for worker, version in ((0, "v1"), (3, "v2"))
        ],
        "latency_count": [{"worker": 0, "version": "v1", "bucket": 5, "served": 20}],
        "label_count": [
            {
                "experiment_id": 1,
                "is_audit": is_audit,
                "v1_digit": v1,
                "v2_digit": v2,
                "truth": truth,
                "labels": labels,
            }
            for is_audit, v1, v2, truth, labels in (
                (False, 3, 5, 5, 4),
                (False, 3, 5, 3, 1),
                (True, 7, 7, 7, 2),
            )
        ],
        "confidence_count": [
            {
                "experiment_id": 1,
                "is_audit": False,
                "version": "v2",
                "bucket": 0,
                "labels": 2,
                "correct": 1,
                "sure": 600_000,
            }
        ],
        "word_count": [
            {
                "experiment_id": experiment_id,
                "version": version,
                "words": words,
                "correct": correct,
                "counted": counted,
                "counted_correct": counted_correct,
            }
            for experiment_id, version, words, correct, counted, counted_correct in (
                (1, "v1", 3, 1, 2, 1),
                (1, "v2", 4, 3, 3, 2),
                (0, "", 1, 1, 0, 0),
            )
        ],
    }


@pytest.fixture
def old(database_url: str, tmp_path: Path) -> Iterator[Flask]:
    """Make an application on a database of migration 0007 with rows in every table."""
    more = {"DATABASE_URL": database_url, "RATELIMIT_ENABLED": "false"}
    with opened_app(make_config(tmp_path, **more)) as made:
        with made.app_context():
            register_flask_migrate(made, ROOT / "migrations")
            flask_migrate.upgrade(revision="0007")
        filled = old_rows(container_of(made).hasher.hash(ADMIN_PASSWORD))
        with connected(made) as connection:
            for table, rows in filled.items():
                for row in rows:
                    insert(connection, table, {name: old_of(each) for name, each in row.items()})
        yield made


def test_an_upgrade_and_a_downgrade_keep_every_row(old: Flask) -> None:
    filled = stored(old)
    assert all(filled.values())
    with old.app_context():
        flask_migrate.upgrade(revision="0008")
    assert stored(old) == renamed(filled)
    with old.app_context():
        flask_migrate.downgrade(revision="0007")
    assert stored(old) == filled
    with old.app_context():
        flask_migrate.upgrade(revision="0008")
    assert stored(old) == renamed(filled)


def test_the_report_of_an_upgraded_database_is_correct(old: Flask) -> None:
    with old.app_context():
        bootstrap.prepare(container().config, container().hasher)
    admin = admin_client(old)
    found = admin.call("GET", "/admin/report").get_json()
    assert [found[name] for name in ("total_feedback", "correct_feedback")] == [8, 5]
    assert (found["incorrect_feedback"], found["accuracy_percentage"]) == (3, 62.5)
    v2 = found["versions"]["v2"]
    assert (v2["served"], v2["feedback_count"], v2["correct"]) == (20, 4, 3)
    calibration = v2["calibration"][0]
    assert (calibration["labels"], calibration["accuracy"]) == (2, 0.5)
    assert calibration["confidence"] == pytest.approx(0.3)
    experiment = found["experiment"]
    assert (experiment["requests"], experiment["disagreements"]) == (40, 8)
    labels = experiment["labels"]
    assert [labels[kind] for kind in ("discordant", "audit", "total")] == [5, 2, 7]
    assert [stage["reason"] for stage in experiment["stages"]] == ["ramp", ROLLED_BACK.new]
    assert found["user_feedback"]["versions"] == {
        "v1": {"eligible": 2, "eligible_correct": 1},
        "v2": {"eligible": 3, "eligible_correct": 2},
    }
    assert admin.call("GET", "/admin/retrain/1").get_json()["gates"] == GATES.new
    (rollout,) = admin.call("GET", "/admin/rollouts").get_json()["rollouts"]
    assert (rollout["requests"], rollout["disagreements"], rollout["labels"]) == (1, 1, 1)
    assert admin.call("GET", "/me").get_json()["notifications"] == ["alert", "feedback"]


def test_upgraded_tables_accept_new_rows(old: Flask) -> None:
    with old.app_context():
        bootstrap.prepare(container().config, container().hasher)
    admin = admin_client(old)
    assert admin.call("POST", "/admin/experiments/1/conclude").status_code == 200
    assert admin.call("POST", "/admin/models/1/deploy", json={"version": "v2"}).status_code == 201
    found = stored(old)
    assert [row["id"] for row in found["experiment_stage"]] == [1, 2, 3]
    assert [row["id"] for row in found["guarded_rollout"]] == [1, 2]


def test_a_sqlite_file_is_backed_up_once_before_its_upgrade(
    old: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "app.db.before-0008"
    filled = stored(old)
    with old.app_context(), caplog.at_level("INFO", sqlite_backup.__name__):
        flask_migrate.upgrade()
        if not (tmp_path / "app.db").exists():
            assert not kept.exists()
            return
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert sqlite_backup.list_faults(kept) == []
        assert sqlite_backup.read_revision(kept) == "0007"
        with closing(sqlite3.connect(kept)) as database:
            counted = {
                table: database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
                for table in filled
            }
        assert counted == {table: len(rows) for table, rows in filled.items()}
        content = kept.read_bytes()
        flask_migrate.downgrade(revision="0007")
        flask_migrate.upgrade()
        assert kept.read_bytes() == content
    messages = [
        record.getMessage() for record in caplog.records if record.name == sqlite_backup.__name__
    ]
    assert messages == [f"backed up the database to {kept} before migration 0008"]
    assert [path.name for path in tmp_path.iterdir() if "before" in path.name] == [kept.name]
    assert sqlite_backup.list_faults(tmp_path / "app.db") == []


def test_an_empty_database_is_not_backed_up(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    assert config.database_file is not None
    config.database_file.touch()
    with opened_app(config) as made, made.app_context():
        migration_state.upgrade(ROOT / "migrations")
    assert not list(tmp_path.glob("*before*"))


def test_an_upgrade_without_a_backup_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"cannot be backed up to .*app\.db\.before-0008"):
        sqlite_backup.back_up_before("0008", tmp_path / "app.db")


def test_constraints_and_indexes_have_the_new_names(old: Flask) -> None:
    with old.app_context():
        flask_migrate.upgrade()
    kept = names_in(old)
    stale = [name for name in kept if any(f"_{old_name}_" in f"{name}_" for old_name in STALE)]
    assert stale == []
    assert "fk_prediction_stage_id_experiment_stage" in kept
    assert "uq_review_item_experiment_id_image_hash" in kept


STALE = ("stage_id_stage", "probe", "guard", "guard_case", "notice", "word_count", "picture_hash")


def names_in(app: Flask) -> set[str]:
    """Return the names of all constraints and indexes."""
    found: set[str] = set()
    with connected(app) as connection:
        inspector = inspect(connection)
        for table in inspector.get_table_names():
            found |= {str(each["name"]) for each in inspector.get_indexes(table)}
            found |= {str(each["name"]) for each in inspector.get_foreign_keys(table)}
            found |= {str(each["name"]) for each in inspector.get_unique_constraints(table)}
            found.add(str(inspector.get_pk_constraint(table)["name"]))
    return found


@contextmanager
def connected(app: Flask) -> Iterator[Connection]:
    """Open a transaction on an application's database, on a new connection."""
    engine = create_engine(app.config["SQLALCHEMY_DATABASE_URI"], poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def old_of(value: Any) -> Any:
    return value.old if isinstance(value, Renamed) else value


def insert(connection: Connection, table: str, row: Mapping[str, Any]) -> None:
    """Insert a row with plain SQL; lists are stored as JSON."""
    values = tuple(json.dumps(each) if isinstance(each, list) else each for each in row.values())
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join([mark] * len(row))
    connection.exec_driver_sql(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', values)


def stored(app: Flask) -> Rows:
    """Return all rows of all tables as they are stored, with JSON parsed."""
    with connected(app) as connection:
        tables = set(inspect(connection).get_table_names()) - {"alembic_version"}
        return {
            table: [
                {name: plain(value) for name, value in row._mapping.items()}
                for row in connection.exec_driver_sql(f'SELECT * FROM "{table}" ORDER BY 1, 2, 3')
            ]
            for table in tables
        }


def plain(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in {"[", "{"}:
        return json.loads(value)
    return bytes(value) if isinstance(value, memoryview) else value


def renamed(found: Rows) -> Rows:
    """Return the rows expected after the migration."""
    rows = old_rows("")
    return {
        TABLES.get(table, table): [
            {
                COLUMNS.get(table, {}).get(name, name): new_of(rows[table], value)
                for name, value in row.items()
            }
            for row in kept
        ]
        for table, kept in found.items()
    }


def new_of(rows: list[dict[str, Any]], value: Any) -> Any:
    changes = [each for row in rows for each in row.values() if isinstance(each, Renamed)]
    return next((each.new for each in changes if each.old == value), value)
