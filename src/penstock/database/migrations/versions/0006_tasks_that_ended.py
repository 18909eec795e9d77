"""Ended tasks are found by the time of their end, so that they can be forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ENDED = sa.text("coalesce(workload, '') = '' AND ended_us IS NOT NULL")


def upgrade() -> None:
    """To this revision."""
    op.create_index("ix_tasks_ended", "tasks", ["ended_us"], sqlite_where=ENDED, postgresql_where=ENDED)


def downgrade() -> None:
    """Back to 0005."""
    op.drop_index("ix_tasks_ended", "tasks")
