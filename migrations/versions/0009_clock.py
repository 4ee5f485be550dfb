"""Add the clock record, beginning with the time of the newest row."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; the newest prediction or deployment says when the clock was last seen."""
    time = sa.DateTime(timezone=True)
    op.create_table(
        "clock_record",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seen_at", time, nullable=False),
        sa.Column("untrusted_until", time),
        sa.PrimaryKeyConstraint("id", name="pk_clock_record"),
    )
    op.execute(
        "INSERT INTO clock_record (id, seen_at) SELECT 1, max(at) FROM"
        " (SELECT max(created_at) AS at FROM prediction"
        " UNION ALL SELECT max(created_at) AS at FROM deployment) AS newest"
        " HAVING max(at) IS NOT NULL"
    )


def downgrade() -> None:
    """Drop the clock record."""
    op.drop_table("clock_record")
