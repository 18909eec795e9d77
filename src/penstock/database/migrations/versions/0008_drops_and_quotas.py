"""The drop box; what a workload has here, for quotas; when its owner was warned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "drops",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("workload", sa.String(length=26), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_drops")),
    )
    with op.batch_alter_table("drops", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_drops_state"), ["state"], unique=False)
        batch_op.create_index(batch_op.f("ix_drops_workload"), ["workload"], unique=False)
    with op.batch_alter_table("workloads", schema=None) as batch_op:
        batch_op.add_column(sa.Column("warned_us", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("files", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    """Back to the one before."""
    with op.batch_alter_table("workloads", schema=None) as batch_op:
        batch_op.drop_column("files")
        batch_op.drop_column("bytes")
        batch_op.drop_column("warned_us")
    op.drop_table("drops")
