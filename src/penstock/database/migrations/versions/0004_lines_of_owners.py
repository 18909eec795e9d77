"""Owners' lines for fair share, and the tags that a task's site must have."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

QUEUED = sa.text("state = 'QUEUED'")
BACKING_OFF = sa.text("state = 'QUEUED' AND not_before_us > 0")
ALONE = sa.text("state = 'QUEUED' AND workload IS NULL")


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "owner_turns",
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("served", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_owner_turns")),
    )
    postgresql = op.get_bind().dialect.name == "postgresql"
    kind = sa.Text(collation="C") if postgresql else sa.Text()
    op.drop_index("ix_tasks_queued", "tasks")
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.add_column(sa.Column("line", kind, nullable=True))
    op.execute("UPDATE tasks SET line = owner")
    _lines_of_those_with_tags()
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.alter_column("line", existing_type=kind, nullable=False)
    columns: list[str | sa.TextClause] = ["kind", "line", sa.text("priority DESC"), "id"]
    op.create_index("ix_tasks_queued", "tasks", columns, sqlite_where=QUEUED, postgresql_where=QUEUED)
    op.create_index(
        "ix_tasks_not_before", "tasks", ["not_before_us"], sqlite_where=BACKING_OFF, postgresql_where=BACKING_OFF
    )
    op.create_index("ix_tasks_waiting_alone", "tasks", ["owner"], sqlite_where=ALONE, postgresql_where=ALONE)


def _lines_of_those_with_tags() -> None:
    """Only queued tasks matter; what has ended keeps its owner's plain line."""
    connection = op.get_bind()
    query = "SELECT id, owner, terms FROM tasks WHERE state NOT IN ('COMPLETE', 'CANCELED') AND terms LIKE '%\"tags\"%'"
    for row in connection.execute(sa.text(query)).all():
        tags = json.loads(row.terms).get("tags")
        if tags:
            values = {"id": row.id, "line": f"{row.owner} {json.dumps(tags, sort_keys=True)}"}
            connection.execute(sa.text("UPDATE tasks SET line = :line WHERE id = :id"), values)


def downgrade() -> None:
    """Back to 0003."""
    op.drop_index("ix_tasks_waiting_alone", "tasks")
    op.drop_index("ix_tasks_not_before", "tasks")
    op.drop_index("ix_tasks_queued", "tasks")
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.drop_column("line")
    columns: list[str | sa.TextClause] = ["kind", sa.text("priority DESC"), "id"]
    op.create_index("ix_tasks_queued", "tasks", columns, sqlite_where=QUEUED, postgresql_where=QUEUED)
    op.drop_table("owner_turns")
