"""Add guarded rollouts, in which predecessors shadow newly deployed models."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "guard",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(2), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("predecessor_id", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.String(12)),
        sa.PrimaryKeyConstraint("id", name="pk_guard"),
        _foreign_key("guard", "model_id", "model"),
        _foreign_key("guard", "predecessor_id", "model"),
    )
    op.create_table(
        "guard_case",
        sa.Column("guard_id", sa.Integer(), nullable=False),
        sa.Column("prediction_id", sa.Uuid(), nullable=False),
        sa.Column("digit", sa.Integer(), nullable=False),
        sa.Column("predecessor_digit", sa.Integer(), nullable=False),
        sa.Column("is_disputed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("guard_id", "prediction_id", name="pk_guard_case"),
        _foreign_key("guard_case", "guard_id", "guard"),
        _foreign_key("guard_case", "prediction_id", "prediction"),
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("guard_case")
    op.drop_table("guard")


def _foreign_key(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}")
