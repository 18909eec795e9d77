"""The keys by which creates of workloads are repeated."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "workload_keys",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("workload", sa.String(length=26), nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workload"],
            ["workloads.id"],
            name=op.f("fk_workload_keys_workload"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_workload_keys")),
    )
    with op.batch_alter_table("workload_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_workload_keys_workload"), ["workload"], unique=False)


def downgrade() -> None:
    """Back to the one before."""
    op.drop_table("workload_keys")
