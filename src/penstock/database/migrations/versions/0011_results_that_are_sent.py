"""Where a workload's results are sent to, and when they were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    with op.batch_alter_table("workloads", schema=None) as batch_op:
        batch_op.add_column(sa.Column("results_to", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("sent_us", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Back to the one before."""
    with op.batch_alter_table("workloads", schema=None) as batch_op:
        batch_op.drop_column("sent_us")
        batch_op.drop_column("results_to")
