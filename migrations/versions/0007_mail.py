"""Add the outbox of notification mails, and which ones a user wants."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the outbox; add to users what they are mailed about, and the earliest next mail."""
    op.add_column("user", sa.Column("mail_kinds", sa.JSON()))
    op.add_column("user", sa.Column("mail_due_at", sa.DateTime(timezone=True)))
    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("message", sa.String(400), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name="fk_notice_user_id_user", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notice_user_id_id", "notice", ["user_id", "id"])


def downgrade() -> None:
    """Drop the outbox with all unsent notifications."""
    op.drop_table("notice")
    op.drop_column("user", "mail_due_at")
    op.drop_column("user", "mail_kinds")
