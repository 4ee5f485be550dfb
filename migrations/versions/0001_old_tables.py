"""Create the two tables of the service before Cifra, or adopt existing ones."""

import sqlalchemy as sa
from alembic import op

from app.domain.errors import Conflict

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

REQUIRED_COLUMNS = {"user": {"id", "username"}, "feedback": {"id", "prediction", "correct"}}


def upgrade() -> None:
    """Create the tables that do not exist. Raise Conflict if an existing one lacks a column."""
    inspector = sa.inspect(op.get_bind())
    present = set(inspector.get_table_names())
    for table in REQUIRED_COLUMNS.keys() & present:
        columns = {column["name"] for column in inspector.get_columns(table)}
        if missing := REQUIRED_COLUMNS[table] - columns:
            names = ", ".join(sorted(missing))
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
    """Keep the tables, which may be older than the migrations."""
