"""An index of what has not ended, for the figures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LIVE = sa.text("state IN ('QUEUED', 'INITIALIZING', 'RUNNING', 'CANCELING')")


def upgrade() -> None:
    """To this revision."""
    columns = ["state", "owner", "created_us"]
    op.create_index("ix_tasks_live", "tasks", columns, sqlite_where=LIVE, postgresql_where=LIVE)


def downgrade() -> None:
    """Back to 0004."""
    op.drop_index("ix_tasks_live", "tasks")
