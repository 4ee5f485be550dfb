"""Add experiments with their stages, the review queue, and the counters behind the report.

Owner and image of a prediction become optional, so that erased ones stay as counted.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ZERO = {"server_default": "0", "nullable": False}


def upgrade() -> None:
    """Create the new tables, extend the old ones, and count the existing feedback."""
    _create_experiment()
    _create_stage()
    _extend_prediction()
    _extend_feedback()
    _create_exposure()
    _create_review()
    _create_counters()
    op.execute(
        "INSERT INTO word_count (experiment_id, version, words, correct, counted, counted_correct)"
        " SELECT 0, coalesce(version, ''), count(*), sum(CASE WHEN correct THEN 1 ELSE 0 END), 0, 0"
        " FROM feedback GROUP BY coalesce(version, '')"
    )
    op.execute(
        "INSERT INTO traffic_count (worker, stage_id, version, served, disagreements)"
        " SELECT 0, 0, version, count(*),"
        " sum(CASE WHEN shadow_digit <> digit THEN 1 ELSE 0 END) FROM prediction GROUP BY version"
    )


def downgrade() -> None:
    """Drop the new tables and columns; erased predictions are deleted, since they have no owner."""
    for name in ("word_count", "confidence_count", "label_count", "latency_count", "traffic_count"):
        op.drop_table(name)
    for name in ("review", "review_item", "exposure"):
        op.drop_table(name)
    op.execute("DELETE FROM prediction WHERE user_id IS NULL")
    _reduce_feedback()
    _reduce_prediction()
    op.drop_table("stage")
    op.drop_table("experiment")


def _create_experiment() -> None:
    op.create_table(
        "experiment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("v1_model_id", sa.Integer(), nullable=False),
        sa.Column("v2_model_id", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(7), nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("ramp", sa.JSON(), nullable=False),
        sa.Column("ramp_units", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("end_reason", sa.String(20)),
        sa.Column("voided_at", sa.DateTime(timezone=True)),
        sa.Column("winner", sa.String(2)),
        sa.Column("winner_at", sa.DateTime(timezone=True)),
        sa.Column("winner_informative", sa.Integer()),
        sa.Column("winner_v2_alone", sa.Integer()),
        sa.Column("winner_e_value", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_experiment"),
        sa.CheckConstraint("unit IN ('request', 'user')", name="ck_experiment_unit"),
        _foreign_key("experiment", "v1_model_id", "model"),
        _foreign_key("experiment", "v2_model_id", "model"),
    )


def _create_stage() -> None:
    op.create_table(
        "stage",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stage"),
        _foreign_key("stage", "experiment_id", "experiment"),
    )
    op.create_index("ix_stage_experiment_id", "stage", ["experiment_id"])


def _extend_prediction() -> None:
    with op.batch_alter_table("prediction") as prediction:
        prediction.drop_constraint("fk_prediction_user_id_user", type_="foreignkey")
        prediction.alter_column("user_id", existing_type=sa.Integer(), nullable=True)
        prediction.create_foreign_key(
            "fk_prediction_user_id_user", "user", ["user_id"], ["id"], ondelete="SET NULL"
        )
        prediction.alter_column("image", existing_type=sa.LargeBinary(784), nullable=True)
        prediction.add_column(sa.Column("latency_us", sa.Integer()))
        prediction.add_column(sa.Column("stage_id", sa.Integer()))
        prediction.create_foreign_key("fk_prediction_stage_id_stage", "stage", ["stage_id"], ["id"])


def _reduce_prediction() -> None:
    with op.batch_alter_table("prediction") as prediction:
        prediction.drop_constraint("fk_prediction_stage_id_stage", type_="foreignkey")
        prediction.drop_column("stage_id")
        prediction.drop_column("latency_us")
        prediction.alter_column("image", existing_type=sa.LargeBinary(784), nullable=False)
        prediction.drop_constraint("fk_prediction_user_id_user", type_="foreignkey")
        prediction.alter_column("user_id", existing_type=sa.Integer(), nullable=False)
        prediction.create_foreign_key(
            "fk_prediction_user_id_user", "user", ["user_id"], ["id"], ondelete="CASCADE"
        )


def _extend_feedback() -> None:
    with op.batch_alter_table("feedback") as feedback:
        feedback.add_column(sa.Column("version", sa.String(2)))
        feedback.add_column(sa.Column("experiment_id", sa.Integer()))
        feedback.add_column(sa.Column("picture_hash", sa.String(32)))
        feedback.add_column(
            sa.Column("counted", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        feedback.create_foreign_key(
            "fk_feedback_experiment_id_experiment", "experiment", ["experiment_id"], ["id"]
        )
        feedback.create_index(
            "ix_feedback_experiment_id_picture_hash", ["experiment_id", "picture_hash"]
        )
        feedback.create_index("ix_feedback_experiment_id_user_id", ["experiment_id", "user_id"])
    op.execute(
        "UPDATE feedback SET version ="
        " (SELECT version FROM prediction WHERE prediction.id = feedback.prediction_id)"
    )


def _reduce_feedback() -> None:
    with op.batch_alter_table("feedback") as feedback:
        feedback.drop_index("ix_feedback_experiment_id_user_id")
        feedback.drop_index("ix_feedback_experiment_id_picture_hash")
        feedback.drop_constraint("fk_feedback_experiment_id_experiment", type_="foreignkey")
        for name in ("counted", "picture_hash", "experiment_id", "version"):
            feedback.drop_column(name)


def _create_exposure() -> None:
    op.create_table(
        "exposure",
        sa.Column("stage_id", sa.Integer(), nullable=False),
        sa.Column("unit_hash", sa.String(32), nullable=False),
        sa.Column("version", sa.String(2), nullable=False),
        sa.Column("crossed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("stage_id", "unit_hash", "version", name="pk_exposure"),
        _foreign_key("exposure", "stage_id", "stage"),
    )


def _create_review() -> None:
    op.create_table(
        "review_item",
        sa.Column("prediction_id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("picture_hash", sa.String(32), nullable=False),
        sa.Column("is_audit", sa.Boolean(), nullable=False),
        sa.Column("is_open", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("leased_by", sa.Integer()),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("prediction_id", name="pk_review_item"),
        sa.UniqueConstraint(
            "experiment_id", "picture_hash", name="uq_review_item_experiment_id_picture_hash"
        ),
        _foreign_key("review_item", "prediction_id", "prediction", ondelete="CASCADE"),
        _foreign_key("review_item", "experiment_id", "experiment"),
        _foreign_key("review_item", "leased_by", "user", ondelete="SET NULL"),
    )
    op.create_index(
        "ix_review_item_experiment_id_is_open_is_audit_place",
        "review_item",
        ["experiment_id", "is_open", "is_audit", "place"],
    )
    op.create_table(
        "review",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("prediction_id", sa.Uuid(), nullable=False),
        sa.Column("reviewer_id", sa.Integer()),
        sa.Column("is_audit", sa.Boolean(), nullable=False),
        sa.Column("truth", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_review"),
        _foreign_key("review", "experiment_id", "experiment"),
        _foreign_key("review", "prediction_id", "prediction"),
        _foreign_key("review", "reviewer_id", "user", ondelete="SET NULL"),
    )
    op.create_index("ix_review_experiment_id", "review", ["experiment_id"])
    op.create_index("ix_review_reviewer_id_id", "review", ["reviewer_id", "id"])
    op.create_index("ix_review_prediction_id", "review", ["prediction_id"])


def _create_counters() -> None:
    integer, version = sa.Integer(), sa.String(2)
    stage = {"worker": integer, "stage_id": integer, "version": version}
    _create_counter("traffic_count", stage, ("served", "disagreements", "units", "crossed"))
    latency = {"worker": integer, "version": version, "bucket": integer}
    _create_counter("latency_count", latency, ("served",))
    review = {"experiment_id": integer, "is_audit": sa.Boolean()}
    digits = {"v1_digit": integer, "v2_digit": integer, "truth": integer}
    _create_counter("label_count", review | digits, ("labels",))
    confidence = review | {"version": version, "bucket": integer}
    _create_counter(
        "confidence_count",
        confidence,
        ("labels", "correct"),
        sa.Column("sure", sa.BigInteger(), **_ZERO),
    )
    feedback = {"experiment_id": integer, "version": version}
    _create_counter("word_count", feedback, ("words", "correct", "counted", "counted_correct"))


def _create_counter(
    name: str,
    key: dict[str, sa.types.TypeEngine[object]],
    counts: tuple[str, ...],
    *more: sa.Column[int],
) -> None:
    op.create_table(
        name,
        *(
            sa.Column(column, kind, nullable=False, autoincrement=False)
            for column, kind in key.items()
        ),
        *(sa.Column(count, sa.Integer(), **_ZERO) for count in counts),
        *more,
        sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
    )


def _foreign_key(
    table: str, column: str, other: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", ondelete=ondelete
    )
