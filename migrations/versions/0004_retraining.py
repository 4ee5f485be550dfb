"""Add the state of retrain jobs, rejection reasons of models, rollbacks and alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Extend jobs, models and deployments; create the table of alerts."""
    with op.batch_alter_table("retrain_job") as job:
        for column in _job_columns():
            job.add_column(column)
        job.create_foreign_key("fk_retrain_job_model_id_model", "model", ["model_id"], ["id"])
    with op.batch_alter_table("model") as model:
        model.add_column(sa.Column("version", sa.String(2)))
        model.add_column(sa.Column("rejection", sa.String(200)))
    with op.batch_alter_table("deployment") as deployment:
        deployment.add_column(sa.Column("user_id", sa.Integer()))
        deployment.add_column(
            sa.Column("is_rollback", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        deployment.create_foreign_key(
            "fk_deployment_user_id_user", "user", ["user_id"], ["id"], ondelete="SET NULL"
        )
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("message", sa.String(300), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
    )


def downgrade() -> None:
    """Drop the added columns and alerts; retrained models stay in the table."""
    op.drop_table("alert")
    with op.batch_alter_table("deployment") as deployment:
        deployment.drop_constraint("fk_deployment_user_id_user", type_="foreignkey")
        deployment.drop_column("is_rollback")
        deployment.drop_column("user_id")
    with op.batch_alter_table("model") as model:
        model.drop_column("rejection")
        model.drop_column("version")
    with op.batch_alter_table("retrain_job") as job:
        job.drop_constraint("fk_retrain_job_model_id_model", type_="foreignkey")
        for column in _job_columns():
            job.drop_column(column.name)


def _job_columns() -> list[sa.Column]:
    return [
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("is_cancelled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("stage", sa.String(20)),
        sa.Column("share", sa.Double()),
        sa.Column("loss", sa.Double()),
        sa.Column("seconds_left", sa.Double()),
        sa.Column("lessons", sa.Integer()),
        sa.Column("holdout", sa.Integer()),
        sa.Column("gates", sa.JSON()),
        sa.Column("model_id", sa.Integer()),
        sa.Column("log", sa.Text()),
    ]
