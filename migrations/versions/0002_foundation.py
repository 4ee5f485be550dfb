"""The old tables grown into ours, and the tables beside them.

The old rows are copied value by value, because old databases differ in what they hold. An old
table with anything that finds no place here is kept as `old_user` or `old_feedback`.
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


FLAGS = dict.fromkeys(("1", "true", "t", "yes", "on"), True) | dict.fromkeys(
    ("0", "false", "f", "no", "off"), False
)


def upgrade() -> None:
    """Set the old tables aside, make ours, and carry the rows over."""
    op.rename_table("user", "old_user")
    op.rename_table("feedback", "old_feedback")
    _make_user()
    _make_login_session()
    _make_model()
    _make_deployment()
    _make_prediction()
    _make_feedback()
    _make_retrain_job()
    _carry_over()


def downgrade() -> None:
    """There is no way back: the old tables cannot hold what came since."""
    raise Conflict("This migration cannot be undone; restore the backup from before it")


def _carry_over() -> None:
    connection = op.get_bind()
    tables = sa.MetaData()
    tables.reflect(connection, only=["old_user", "old_feedback", "user", "feedback"])
    old_users, old_words = (
        _stored(tables.tables["old_user"]),
        _stored(tables.tables["old_feedback"]),
    )
    users = list(_users(old_users))
    words = [_word(row, {user["id"] for user in users}) for row in old_words]
    _insert(tables.tables["user"], users)
    _insert(tables.tables["feedback"], [word for word in words if word["correct"] is not None])
    for name, before, after in (("old_feedback", old_words, words), ("old_user", old_users, users)):
        if all(_holds(new, old) for old, new in zip(before, after, strict=True)):
            op.drop_table(name)


def _stored(table: sa.Table) -> list[dict[str, Any]]:
    """All rows as they are stored: old values do not always fit the type of their column."""
    columns = [sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in table.c]
    return [dict(row) for row in op.get_bind().execute(sa.select(*columns)).mappings()]


def _holds(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether a row of ours holds all that the old one said."""
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
    """Old accounts; a name that is missing or double gets the account's id behind it."""
    names = [unicodedata.normalize("NFC", str(row["username"] or "")) for row in rows]
    given = {""}
    for row, name in zip(rows, names, strict=True):
        unique = name
        while unique in given or (unique != name and unique in names):
            unique = f"{unique or 'user'}#{row['id']}"
        given.add(unique)
        yield {"id": row["id"], "username": unique, "email": row.get("email")}


def _word(row: dict[str, Any], known_users: set[int]) -> dict[str, Any]:
    user_id = row.get("user_id")
    return {
        "id": row["id"],
        "prediction": _digit(row["prediction"]),
        "correct": FLAGS.get(str(row["correct"]).strip().lower()),
        "comment": row.get("comment"),
        "user_id": user_id if user_id in known_users else None,
        "created_at": _time(row.get("created_at")),
    }


def _digit(value: Any) -> int | None:
    text = str(value).strip()
    return int(text) if len(text) == 1 and text in "0123456789" else None


def _time(value: Any) -> datetime | None:
    """Read a time as the old program stored it, in UTC; None where it is not one."""
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _make_user() -> None:
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


def _make_login_session() -> None:
    op.create_table(
        "login_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("refresh_jti", sa.String(36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_login_session"),
        _refers("login_session", "user_id", "user", ondelete="CASCADE"),
    )
    op.create_index("ix_login_session_user_id", "login_session", ["user_id"])


def _make_model() -> None:
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


def _make_deployment() -> None:
    op.create_table(
        "deployment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(2), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployment"),
        sa.CheckConstraint("version IN ('v1', 'v2')", name="ck_deployment_version"),
        _refers("deployment", "model_id", "model"),
    )
    op.create_index("ix_deployment_version_id", "deployment", ["version", "id"])


def _make_prediction() -> None:
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
        _refers("prediction", "user_id", "user", ondelete="CASCADE"),
        _refers("prediction", "model_id", "model"),
        _refers("prediction", "shadow_model_id", "model"),
    )
    op.create_index("ix_prediction_user_id_id", "prediction", ["user_id", "id"])


def _make_feedback() -> None:
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
        _refers("feedback", "user_id", "user", ondelete="CASCADE"),
        _refers("feedback", "prediction_id", "prediction", ondelete="CASCADE"),
    )
    op.create_index("ix_feedback_user_id", "feedback", ["user_id"])


def _make_retrain_job() -> None:
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
        _refers("retrain_job", "requested_by", "user", ondelete="SET NULL"),
    )


def _refers(
    table: str, column: str, other: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", ondelete=ondelete
    )
