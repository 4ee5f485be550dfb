"""Extend the two old tables, and create accounts' logins, models, predictions and retrain jobs.

The old rows are copied value by value, because old databases differ in what they contain. An old
table with a value that cannot be copied is kept as `old_user` or `old_feedback`.
"""

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.domain.errors import Conflict

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


BOOLEANS = dict.fromkeys(("1", "true", "t", "yes", "on"), True) | dict.fromkeys(
    ("0", "false", "f", "no", "off"), False
)


def upgrade() -> None:
    """Rename the old tables, create the new ones, and copy the rows."""
    op.rename_table("user", "old_user")
    op.rename_table("feedback", "old_feedback")
    _create_user()
    _create_login_session()
    _create_model()
    _create_deployment()
    _create_prediction()
    _create_feedback()
    _create_retrain_job()
    _copy_rows()


def downgrade() -> None:
    """Raise Conflict: the old tables have no columns for the data added since."""
    raise Conflict("This migration cannot be undone; restore the backup from before it")


def _copy_rows() -> None:
    connection = op.get_bind()
    tables = sa.MetaData()
    tables.reflect(connection, only=["old_user", "old_feedback", "user", "feedback"])
    old_users, old_feedback = (
        _stored(tables.tables["old_user"]),
        _stored(tables.tables["old_feedback"]),
    )
    users = list(_users(old_users))
    feedback = [_feedback(row, {user["id"] for user in users}) for row in old_feedback]
    _insert(tables.tables["user"], users)
    _insert(tables.tables["feedback"], [each for each in feedback if each["correct"] is not None])
    for name, before, after in (
        ("old_feedback", old_feedback, feedback),
        ("old_user", old_users, users),
    ):
        if all(_keeps_all_values(new, old) for old, new in zip(before, after, strict=True)):
            op.drop_table(name)


def _stored(table: sa.Table) -> list[dict[str, Any]]:
    """Return all rows with raw values: old ones do not always fit the type of their column."""
    columns = [sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in table.c]
    return [dict(row) for row in op.get_bind().execute(sa.select(*columns)).mappings()]


def _keeps_all_values(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Return whether a new row has a value wherever the old one had one."""
    return all(value is None or new.get(name) is not None for name, value in old.items())


def _insert(table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        op.bulk_insert(table, rows)
    if rows and op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"SELECT setval(pg_get_serial_sequence('\"{table.name}\"', 'id'),"
            f' (SELECT max(id) FROM "{table.name}"))'
        )


def _users(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the old accounts; a missing or duplicate name gets the account's id as a suffix."""
    names = [unicodedata.normalize("NFC", str(row["username"] or "")) for row in rows]
    taken = {""}
    for row, name in zip(rows, names, strict=True):
        unique = name
        while unique in taken or (unique != name and unique in names):
            unique = f"{unique or 'user'}#{row['id']}"
        taken.add(unique)
        yield {"id": row["id"], "username": unique, "email": row.get("email")}


def _feedback(row: dict[str, Any], known_users: set[int]) -> dict[str, Any]:
    user_id = row.get("user_id")
    return {
        "id": row["id"],
        "prediction": _digit(row["prediction"]),
        "correct": BOOLEANS.get(str(row["correct"]).strip().lower()),
        "comment": row.get("comment"),
        "user_id": user_id if user_id in known_users else None,
        "created_at": _time(row.get("created_at")),
    }


def _digit(value: Any) -> int | None:
    text = str(value).strip()
    return int(text) if len(text) == 1 and text in "0123456789" else None


def _time(value: Any) -> datetime | None:
    """Return a time of the old service, which stored UTC; None if it cannot be parsed."""
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _create_user() -> None:
    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(80), nullable=False),
        sa.Column("password_hash", sa.String(60)),
        sa.Column("email", sa.String(254)),
        sa.Column("role", sa.String(10), server_default="user", nullable=False),
        sa.Column("locked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("username", name="uq_user_username"),
        sqlite_autoincrement=True,
    )


def _create_login_session() -> None:
    op.create_table(
        "login_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("refresh_jti", sa.String(36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_login_session"),
        _foreign_key("login_session", "user_id", "user", ondelete="CASCADE"),
    )
    op.create_index("ix_login_session_user_id", "login_session", ["user_id"])


def _create_model() -> None:
    op.create_table(
        "model",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("artefact", sa.LargeBinary(), nullable=False),
        sa.Column("shipped", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model"),
        sa.UniqueConstraint("sha256", name="uq_model_sha256"),
    )


def _create_deployment() -> None:
    op.create_table(
        "deployment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(2), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployment"),
        sa.CheckConstraint("version IN ('v1', 'v2')", name="ck_deployment_version"),
        _foreign_key("deployment", "model_id", "model"),
    )
    op.create_index("ix_deployment_version_id", "deployment", ["version", "id"])


def _create_prediction() -> None:
    op.create_table(
        "prediction",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.String(2), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("digit", sa.Integer(), nullable=False),
        sa.Column("probabilities", sa.LargeBinary(40), nullable=False),
        sa.Column("image", sa.LargeBinary(784), nullable=False),
        sa.Column("assignment_probability", sa.Double()),
        sa.Column("shadow_model_id", sa.Integer()),
        sa.Column("shadow_digit", sa.Integer()),
        sa.Column("shadow_probabilities", sa.LargeBinary(40)),
        sa.PrimaryKeyConstraint("id", name="pk_prediction"),
        sa.CheckConstraint("version IN ('v1', 'v2')", name="ck_prediction_version"),
        _foreign_key("prediction", "user_id", "user", ondelete="CASCADE"),
        _foreign_key("prediction", "model_id", "model"),
        _foreign_key("prediction", "shadow_model_id", "model"),
    )
    op.create_index("ix_prediction_user_id_id", "prediction", ["user_id", "id"])


def _create_feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("prediction", sa.Integer()),
        sa.Column("correct", sa.Boolean(), nullable=False),
        sa.Column("comment", sa.String(1000)),
        sa.Column("user_id", sa.Integer()),
        sa.Column("prediction_id", sa.Uuid()),
        sa.Column("digit", sa.Integer()),
        sa.Column("not_a_digit", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sa.UniqueConstraint("prediction_id", name="uq_feedback_prediction_id"),
        _foreign_key("feedback", "user_id", "user", ondelete="CASCADE"),
        _foreign_key("feedback", "prediction_id", "prediction", ondelete="CASCADE"),
    )
    op.create_index("ix_feedback_user_id", "feedback", ["user_id"])


def _create_retrain_job() -> None:
    op.create_table(
        "retrain_job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.Integer()),
        sa.Column("version", sa.String(2), nullable=False),
        sa.Column("deploy", sa.String(6), nullable=False),
        sa.Column("status", sa.String(9), nullable=False),
        sa.Column("error", sa.String(200)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_retrain_job"),
        _foreign_key("retrain_job", "requested_by", "user", ondelete="SET NULL"),
    )


def _foreign_key(
    table: str, column: str, other: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", ondelete=ondelete
    )
