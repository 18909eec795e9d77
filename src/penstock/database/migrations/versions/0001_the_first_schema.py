"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    _sites()
    _task_parents()
    _tasks()
    _tokens()
    _tombstones()
    _uploads()
    _workloads()
    _accounts()
    _attempts()
    _task_tags()
    _workload_events()


def downgrade() -> None:
    """Back to an empty database."""
    for table in (
        "workload_events",
        "task_tags",
        "attempts",
        "accounts",
        "workloads",
        "uploads",
        "tombstones",
        "tokens",
        "tasks",
        "task_parents",
        "sites",
    ):
        op.drop_table(table)


def _sites() -> None:
    op.create_table(
        "sites",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("incarnation", sa.String(length=64), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("cpu_cores", sa.Float(), nullable=False),
        sa.Column("ram_gb", sa.Float(), nullable=False),
        sa.Column("disk_gb", sa.Float(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("mounts_workspace", sa.Integer(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sites")),
    )


def _task_parents() -> None:
    op.create_table(
        "task_parents",
        sa.Column("workload", sa.String(length=26), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("workload", name=op.f("pk_task_parents")),
    )


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("workload", sa.String(length=26), nullable=True),
        sa.Column("key", sa.String(length=128), nullable=True),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("cpu_cores", sa.Float(), nullable=False),
        sa.Column("ram_gb", sa.Float(), nullable=False),
        sa.Column("disk_gb", sa.Float(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("not_before_us", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.create_index("ix_tasks_owner_id", ["owner", "id"], unique=False)
        batch_op.create_index("ix_tasks_owner_state_id", ["owner", "state", "id"], unique=False)
        batch_op.create_index(
            "ix_tasks_queued",
            ["kind", sa.literal_column("priority DESC"), "id"],
            unique=False,
            sqlite_where=sa.text("state = 'QUEUED'"),
            postgresql_where=sa.text("state = 'QUEUED'"),
        )
        batch_op.create_index("ix_tasks_workload_sequence", ["workload", "sequence"], unique=False)
        batch_op.create_index("uq_tasks_workload_key", ["workload", "key"], unique=True)


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
    )
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tokens_owner"), ["owner"], unique=False)


def _tombstones() -> None:
    op.create_table(
        "tombstones",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("removed_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tombstones")),
    )


def _uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("workload", sa.String(length=26), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("touched_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    with op.batch_alter_table("uploads", schema=None) as batch_op:
        batch_op.create_index(
            "ix_uploads_unfinished",
            ["touched_us"],
            unique=False,
            sqlite_where=sa.text("complete = 0"),
            postgresql_where=sa.text("complete = false"),
        )
        batch_op.create_index(batch_op.f("ix_uploads_workload"), ["workload"], unique=False)


def _workloads() -> None:
    op.create_table(
        "workloads",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("results", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workloads")),
    )
    with op.batch_alter_table("workloads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_workloads_expires_us"), ["expires_us"], unique=False)
        batch_op.create_index("ix_workloads_owner_id", ["owner", "id"], unique=False)
        batch_op.create_index("ix_workloads_owner_state_id", ["owner", "state", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_workloads_state"), ["state"], unique=False)


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("workload", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["workload"], ["workloads.id"], name=op.f("fk_accounts_workload"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("workload", name=op.f("pk_accounts")),
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(length=34), nullable=False),
        sa.Column("task", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("incarnation", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lease_until_us", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("log", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name=op.f("fk_attempts_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index(
            "ix_attempts_live",
            ["lease_until_us"],
            unique=False,
            sqlite_where=sa.text("state IN ('leased', 'started')"),
            postgresql_where=sa.text("state IN ('leased', 'started')"),
        )
        batch_op.create_index(
            "ix_attempts_publishing",
            ["task"],
            unique=False,
            sqlite_where=sa.text("state = 'finished' AND outcome IS NULL"),
            postgresql_where=sa.text("state = 'finished' AND outcome IS NULL"),
        )
        batch_op.create_index("uq_attempts_task_number", ["task", "number"], unique=True)


def _task_tags() -> None:
    op.create_table(
        "task_tags",
        sa.Column("task", sa.String(length=26), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name=op.f("fk_task_tags_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task", "key", name=op.f("pk_task_tags")),
    )
    with op.batch_alter_table("task_tags", schema=None) as batch_op:
        batch_op.create_index("ix_task_tags_key_value_task", ["key", "value", "task"], unique=False)


def _workload_events() -> None:
    op.create_table(
        "workload_events",
        sa.Column("workload", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workload"], ["workloads.id"], name=op.f("fk_workload_events_workload"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workload", "number", name=op.f("pk_workload_events")),
    )
