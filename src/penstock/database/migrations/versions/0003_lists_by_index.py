"""Lists of tasks by any filter from an index of the owner's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    with op.batch_alter_table("task_tags") as batch_op:
        batch_op.add_column(sa.Column("owner", sa.String(length=63), nullable=True))
    op.execute("UPDATE task_tags SET owner = (SELECT owner FROM tasks WHERE tasks.id = task_tags.task)")
    with op.batch_alter_table("task_tags") as batch_op:
        batch_op.alter_column("owner", existing_type=sa.String(length=63), nullable=False)
        batch_op.drop_index("ix_task_tags_key_value_task")
        batch_op.create_index("ix_task_tags_owner_key_value_task", ["owner", "key", "value", "task"])
        batch_op.create_index("ix_task_tags_owner_key_task", ["owner", "key", "task"])
    if op.get_bind().dialect.name == "postgresql":  # SQLite compares by code point anyway
        for table, column in (("tasks", "name"), ("task_tags", "key"), ("task_tags", "value")):
            op.alter_column(table, column, type_=sa.Text(collation="C"), existing_nullable=False)
    op.create_index("ix_tasks_owner_name_id", "tasks", ["owner", "name", "id"])


def downgrade() -> None:
    """Back to 0002."""
    op.drop_index("ix_tasks_owner_name_id", "tasks")
    if op.get_bind().dialect.name == "postgresql":
        for table, column in (("tasks", "name"), ("task_tags", "key"), ("task_tags", "value")):
            op.alter_column(table, column, type_=sa.Text(), existing_nullable=False)
    with op.batch_alter_table("task_tags") as batch_op:
        batch_op.drop_index("ix_task_tags_owner_key_task")
        batch_op.drop_index("ix_task_tags_owner_key_value_task")
        batch_op.drop_column("owner")
        batch_op.create_index("ix_task_tags_key_value_task", ["key", "value", "task"])
