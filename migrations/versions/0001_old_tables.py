"""The old program's two tables: adopted where they are, made where they are not."""

import sqlalchemy as sa
from alembic import op

from app.domain.errors import Conflict

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NEEDED = {"user": {"id", "username"}, "feedback": {"id", "prediction", "correct"}}


def upgrade() -> None:
    """Make the tables that are not there; stop where one is there and lacks a column."""
    inspector = sa.inspect(op.get_bind())
    present = set(inspector.get_table_names())
    for table in NEEDED.keys() & present:
        columns = {column["name"] for column in inspector.get_columns(table)}
        if lacking := NEEDED[table] - columns:
            names = ", ".join(sorted(lacking))
            raise Conflict(f"The table {table} of this database lacks {names}")
    if "user" not in present:
        op.create_table(
            "user",
            sa.Column("id", sa.Integer(), nullable=False),
            sa.Column("username", sa.String(80), nullable=False),
            sa.PrimaryKeyConstraint("id", name="user_pkey"),
        )
    if "feedback" not in present:
        op.create_table(
            "feedback",
            sa.Column("id", sa.Integer(), nullable=False),
            sa.Column("prediction", sa.Integer(), nullable=False),
            sa.Column("correct", sa.Boolean(), nullable=False),
            sa.Column("comment", sa.String(1000)),
            sa.PrimaryKeyConstraint("id", name="feedback_pkey"),
        )


def downgrade() -> None:
    """Leave the old tables: they were there first."""
