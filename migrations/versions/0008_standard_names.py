"""Rename tables, columns, indexes, constraints and stored values to standard terms.

Names are changed in place, so no table is copied and no row is lost. A SQLite file is backed up
first.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic import op

from app.store.engine.sqlite_backup import back_up_before

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = {
    "stage": "experiment_stage",
    "probe": "attention_check",
    "guard": "guarded_rollout",
    "guard_case": "rollout_comparison",
    "notice": "notification",
    "word_count": "feedback_count",
}

_COLUMNS = {  # by the new name of the table
    "user": {"mail_kinds": "notification_kinds", "mail_due_at": "next_mail_at"},
    "model": {
        "artefact": "artifact",
        "shipped": "is_bundled",
        "rejection": "rejection_reason",
    },
    "prediction": {"digit": "predicted_digit", "image": "digit_image"},
    "feedback": {"picture_hash": "image_hash", "counted": "is_eligible"},
    "review_item": {"picture_hash": "image_hash", "place": "order_key"},
    "review": {"truth": "label"},
    "exposure": {"crossed": "crossed_over"},
    "experiment": {
        "winner_informative": "winner_discordant",
        "winner_v2_alone": "winner_v2_wins",
    },
    "retrain_job": {
        "fence": "fencing_token",
        "share": "progress",
        "lessons": "train_labels",
        "holdout": "holdout_labels",
    },
    "attention_check": {
        "number": "image_index",
        "digit": "true_digit",
        "said": "answer",
        "said_at": "answered_at",
    },
    "rollout_comparison": {
        "guard_id": "rollout_id",
        "digit": "predicted_digit",
        "is_disputed": "versions_disagree",
    },
    "traffic_count": {"units": "assigned_units", "crossed": "crossed_over"},
    "label_count": {"truth": "label"},
    "confidence_count": {"sure": "confidence_sum_millionths"},
    "feedback_count": {
        "words": "total",
        "counted": "eligible",
        "counted_correct": "eligible_correct",
    },
}

_CONSTRAINTS = {  # by the new name of the table
    "experiment_stage": {
        "pk_stage": "pk_experiment_stage",
        "fk_stage_experiment_id_experiment": "fk_experiment_stage_experiment_id_experiment",
    },
    "prediction": {"fk_prediction_stage_id_stage": "fk_prediction_stage_id_experiment_stage"},
    "exposure": {"fk_exposure_stage_id_stage": "fk_exposure_stage_id_experiment_stage"},
    "review_item": {
        "uq_review_item_experiment_id_picture_hash": "uq_review_item_experiment_id_image_hash"
    },
    "attention_check": {
        "pk_probe": "pk_attention_check",
        "fk_probe_reviewer_id_user": "fk_attention_check_reviewer_id_user",
    },
    "guarded_rollout": {
        "pk_guard": "pk_guarded_rollout",
        "fk_guard_model_id_model": "fk_guarded_rollout_model_id_model",
        "fk_guard_predecessor_id_model": "fk_guarded_rollout_predecessor_id_model",
    },
    "rollout_comparison": {
        "pk_guard_case": "pk_rollout_comparison",
        "fk_guard_case_guard_id_guard": "fk_rollout_comparison_rollout_id_guarded_rollout",
        "fk_guard_case_prediction_id_prediction": "fk_rollout_comparison_prediction_id_prediction",
    },
    "notification": {
        "pk_notice": "pk_notification",
        "fk_notice_user_id_user": "fk_notification_user_id_user",
    },
    "feedback_count": {"pk_word_count": "pk_feedback_count"},
}

_SEQUENCES = {  # of PostgreSQL
    "stage_id_seq": "experiment_stage_id_seq",
    "guard_id_seq": "guarded_rollout_id_seq",
    "notice_id_seq": "notification_id_seq",
}


class _Index(NamedTuple):
    old: str
    new: str
    old_table: str
    old_columns: tuple[str, ...]


_INDEXES = (
    _Index(
        "ix_stage_experiment_id", "ix_experiment_stage_experiment_id", "stage", ("experiment_id",)
    ),
    _Index(
        "ix_feedback_experiment_id_picture_hash",
        "ix_feedback_experiment_id_image_hash",
        "feedback",
        ("experiment_id", "picture_hash"),
    ),
    _Index(
        "ix_review_item_experiment_id_is_open_is_audit_place",
        "ix_review_item_experiment_id_is_open_is_audit_order_key",
        "review_item",
        ("experiment_id", "is_open", "is_audit", "place"),
    ),
    _Index("ix_probe_reviewer_id", "ix_attention_check_reviewer_id", "probe", ("reviewer_id",)),
    _Index("ix_notice_user_id_id", "ix_notification_user_id_id", "notice", ("user_id", "id")),
)


class _Values(NamedTuple):
    """Values to rename in a column, which has its new name and that of its table."""

    table: str
    column: str
    names: Mapping[str, str]


_VALUES = (
    _Values("deployment", "reason", {"shipped": "bundled"}),
    _Values(
        "experiment_stage",
        "reason",
        {
            "turned back: sample ratio mismatch": "rolled back: sample ratio mismatch",
            "turned back: v1 is better": "rolled back: v1 is better",
        },
    ),
    _Values(
        "alert",
        "kind",
        {"rolled back": "rollback", "limits": "rate limits", "unfit model": "invalid model"},
    ),
    _Values("retrain_job", "stage", {"examining": "evaluating"}),
)

_GATE_KEYS = {"said": "summary", "numbers": "metrics"}
_GATE_NAMES = {
    "validation beside shipped": "validation vs bundled",
    "bound": "non-inferiority",
    "digits": "per-class accuracy",
    "kinds": "robustness",
    "better": "improvement",
}
_METRICS = {  # by the new name of the gate
    "validation": {"other": "baseline"},
    "validation vs bundled": {"other": "baseline"},
    "improvement": {"holdout_pictures": "holdout_images", "lessons": "train"},
}


def upgrade() -> None:
    """Rename everything to the standard terms."""
    url = op.get_bind().engine.url
    if url.drivername == "sqlite" and url.database:
        back_up_before(revision, Path(url.database))
    for old, new in _TABLES.items():
        op.rename_table(old, new)
    for table, columns in _COLUMNS.items():
        _rename_columns(table, columns)
    _rename_constraints(_CONSTRAINTS)
    for index in _INDEXES:
        table = _TABLES.get(index.old_table, index.old_table)
        renamed = _COLUMNS.get(table, {})
        columns = [renamed.get(column, column) for column in index.old_columns]
        _rename_index(table, index.old, index.new, columns)
    _rename_sequences(_SEQUENCES)
    for values in _VALUES:
        _rename_values(values.table, values.column, values.names)
    _rewrite_gates(_to_new_gate)


def downgrade() -> None:
    """Rename everything back."""
    _rewrite_gates(_to_old_gate)
    for values in _VALUES:
        _rename_values(values.table, values.column, _reversed(values.names))
    _rename_sequences(_reversed(_SEQUENCES))
    _rename_constraints({table: _reversed(names) for table, names in _CONSTRAINTS.items()})
    for table, columns in _COLUMNS.items():
        _rename_columns(table, _reversed(columns))
    for old, new in _TABLES.items():
        op.rename_table(new, old)
    for index in _INDEXES:
        _rename_index(index.old_table, index.new, index.old, index.old_columns)


def _reversed(names: Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in names.items()}


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _rename_columns(table: str, names: Mapping[str, str]) -> None:
    for old, new in names.items():
        op.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{old}" TO "{new}"')


def _rename_index(table: str, old: str, new: str, columns: Iterable[str]) -> None:
    if _is_postgresql():
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
    else:  # SQLite cannot rename an index
        op.drop_index(old, table)
        op.create_index(new, table, list(columns))


def _rename_sequences(names: Mapping[str, str]) -> None:
    if _is_postgresql():
        for old, new in names.items():
            op.execute(f"ALTER SEQUENCE IF EXISTS {old} RENAME TO {new}")


def _rename_constraints(tables: Mapping[str, Mapping[str, str]]) -> None:
    """Rename constraints; on SQLite in the text of the schema, so that no table is copied.

    SQLite's documentation allows such an edit under "Making Other Kinds Of Table Schema Changes":
    a constraint's name does not affect what is stored. RESET makes SQLite parse the schema again.
    tests/integration/test_upgrade_names.py compares the result with the mapped tables.
    """
    if _is_postgresql():
        for table, names in tables.items():
            for old, new in names.items():
                op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")
        return
    op.execute("PRAGMA writable_schema=ON")
    replace = sa.text(
        "UPDATE sqlite_schema SET sql = replace(sql, :old, :new) WHERE type = 'table' AND name = :t"
    )
    for table, names in tables.items():
        for old, new in names.items():
            renamed = {"old": f"CONSTRAINT {old} ", "new": f"CONSTRAINT {new} ", "t": table}
            op.get_bind().execute(replace, renamed)
    op.execute("PRAGMA writable_schema=RESET")


def _rename_values(table: str, column: str, names: Mapping[str, str]) -> None:
    values = sa.table(table, sa.column(column, sa.String()))
    for old, new in names.items():
        op.execute(values.update().where(values.c[column] == old).values({column: new}))


def _rewrite_gates(convert: Any) -> None:
    jobs = sa.table("retrain_job", sa.column("id", sa.Integer()), sa.column("gates", sa.JSON()))
    for job_id, gates in list(_stored_gates(jobs)):
        new = [convert(gate) for gate in gates]
        op.execute(jobs.update().where(jobs.c.id == job_id).values(gates=new))


def _stored_gates(jobs: sa.TableClause) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    for job_id, gates in op.get_bind().execute(sa.select(jobs.c.id, jobs.c.gates)):
        if gates:
            yield job_id, gates


def _to_new_gate(gate: dict[str, Any]) -> dict[str, Any]:
    renamed = _with_keys(gate, _GATE_KEYS)
    renamed["name"] = _GATE_NAMES.get(gate["name"], gate["name"])
    return renamed | {"metrics": _with_keys(renamed["metrics"], _METRICS.get(renamed["name"], {}))}


def _to_old_gate(gate: dict[str, Any]) -> dict[str, Any]:
    renamed = _with_keys(gate, _reversed(_GATE_KEYS))
    renamed["name"] = _reversed(_GATE_NAMES).get(gate["name"], gate["name"])
    metrics = _reversed(_METRICS.get(gate["name"], {}))
    return renamed | {"numbers": _with_keys(renamed["numbers"], metrics)}


def _with_keys(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in values.items()}
