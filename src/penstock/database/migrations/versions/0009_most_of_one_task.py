"""The most that one task can have at a site whose nodes do not add up for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    with op.batch_alter_table("sites", schema=None) as batch_op:
        batch_op.add_column(sa.Column("task_cores", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("task_ram_gb", sa.Float(), nullable=True))


def downgrade() -> None:
    """Back to the one before."""
    with op.batch_alter_table("sites", schema=None) as batch_op:
        batch_op.drop_column("task_ram_gb")
        batch_op.drop_column("task_cores")
