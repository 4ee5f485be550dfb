"""Queue images flagged by users for review, and add reviewers' attention checks."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Allow review items without an experiment; create the table of attention checks."""
    for name in ("review_item", "review"):
        with op.batch_alter_table(name) as table:
            table.alter_column("experiment_id", existing_type=sa.Integer(), nullable=True)
    op.create_index(
        "uq_review_item_flagged",
        "review_item",
        ["picture_hash"],
        unique=True,
        sqlite_where=sa.text("experiment_id IS NULL"),
        postgresql_where=sa.text("experiment_id IS NULL"),
    )
    op.create_table(
        "probe",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reviewer_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digit", sa.Integer(), nullable=False),
        sa.Column("said", sa.Integer()),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_probe"),
        sa.ForeignKeyConstraint(
            ["reviewer_id"], ["user.id"], name="fk_probe_reviewer_id_user", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_probe_reviewer_id", "probe", ["reviewer_id"])


def downgrade() -> None:
    """Drop attention checks, and flagged images with their labels."""
    op.drop_table("probe")
    op.drop_index("uq_review_item_flagged", "review_item")
    for name in ("review_item", "review"):
        op.execute(f"DELETE FROM {name} WHERE experiment_id IS NULL")
        with op.batch_alter_table(name) as table:
            table.alter_column("experiment_id", existing_type=sa.Integer(), nullable=False)
