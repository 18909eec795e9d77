"""The tables of tasks and attempts. No index, and so no query, grows with what is finished unless it is asked for."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, Text, text

from penstock.database.tables import metadata

# Compared by code point on every database, as SQLite does: a prefix is a range of an index.
ByCodePoint = Text().with_variant(Text(collation="C"), "postgresql")

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("owner", String(63), nullable=False),
    Column("workload", String(26)),
    Column("key", String(128)),
    Column("kind", String(8), nullable=False),
    Column("name", ByCodePoint, nullable=False),
    Column("rule", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("line", ByCodePoint, nullable=False),  # its owner, and the tags its site must have, if any
    Column("priority", Integer, nullable=False),
    Column("cpu_cores", Float, nullable=False),
    Column("ram_gb", Float, nullable=False),
    Column("disk_gb", Float, nullable=False),
    Column("attempt", Integer, nullable=False),  # the current attempt's number, 0 before the first: it fences
    Column("not_before_us", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("started_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("spec", Text, nullable=False),
    Column("terms", Text, nullable=False),
    Index("uq_tasks_workload_key", "workload", "key", unique=True),
    Index("ix_tasks_workload_sequence", "workload", "sequence"),
    Index("ix_tasks_owner_id", "owner", "id"),
    Index("ix_tasks_owner_state_id", "owner", "state", "id"),
    Index("ix_tasks_owner_name_id", "owner", "name", "id"),
)
Index(
    "ix_tasks_queued",
    tasks.c.kind,
    tasks.c.line,
    tasks.c.priority.desc(),
    tasks.c.id,
    sqlite_where=text("state = 'QUEUED'"),
    postgresql_where=text("state = 'QUEUED'"),
)
# What has not ended, as /metrics counts it.
LIVE_TASK = "state IN ('QUEUED', 'INITIALIZING', 'RUNNING', 'CANCELING')"
Index(
    "ix_tasks_live",
    tasks.c.state,
    tasks.c.owner,
    tasks.c.created_us,
    sqlite_where=text(LIVE_TASK),
    postgresql_where=text(LIVE_TASK),
)
# Tasks that wait for their back-off: few.
Index(
    "ix_tasks_not_before",
    tasks.c.not_before_us,
    sqlite_where=text("state = 'QUEUED' AND not_before_us > 0"),
    postgresql_where=text("state = 'QUEUED' AND not_before_us > 0"),
)
# What ended, and is forgotten when its time is over (tasks of a workload go with that).
ALONE_AND_ENDED = "coalesce(workload, '') = '' AND ended_us IS NOT NULL"  # in words that no other index knows
Index(
    "ix_tasks_ended",
    tasks.c.ended_us,
    sqlite_where=text(ALONE_AND_ENDED),
    postgresql_where=text(ALONE_AND_ENDED),
)
# What counts against an owner's limit of waiting tasks.
WAITING_ALONE = "state = 'QUEUED' AND workload IS NULL"
Index(
    "ix_tasks_waiting_alone",
    tasks.c.owner,
    sqlite_where=text(WAITING_ALONE),
    postgresql_where=text(WAITING_ALONE),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", String(34), primary_key=True),
    Column("task", String(26), ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("site", String(63), nullable=False),
    Column("incarnation", String(64), nullable=False),
    Column("state", String(8), nullable=False),
    Column("outcome", String(16)),
    Column("reason", Text, nullable=False),
    Column("lease_until_us", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("started_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("log", Text, nullable=False),
    Index("uq_attempts_task_number", "task", "number", unique=True),
)
LIVE_ATTEMPT = "state IN ('leased', 'started')"
LIVE = text(f"attempts.{LIVE_ATTEMPT}")  # with bound values SQLite would not take the index
Index(
    "ix_attempts_live",
    attempts.c.lease_until_us,
    sqlite_where=text(LIVE_ATTEMPT),
    postgresql_where=text(LIVE_ATTEMPT),
)
# An attempt that has finished while its outputs are being published: few, and found again after a kill.
Index(
    "ix_attempts_publishing",
    attempts.c.task,
    sqlite_where=text("state = 'finished' AND outcome IS NULL"),
    postgresql_where=text("state = 'finished' AND outcome IS NULL"),
)

tags = Table(
    "task_tags",
    metadata,
    Column("task", String(26), ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("key", ByCodePoint, primary_key=True),
    Column("value", ByCodePoint, nullable=False),
    Column("owner", String(63), nullable=False),
    Index("ix_task_tags_owner_key_value_task", "owner", "key", "value", "task"),
    Index("ix_task_tags_owner_key_task", "owner", "key", "task"),
)

# What belongs to a workload as a parent of tasks: its sequence counts up with every change of one of them.
parents = Table(
    "task_parents",
    metadata,
    Column("workload", String(26), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("total", Integer),
)

sites = Table(
    "sites",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("incarnation", String(64), nullable=False),
    Column("tags", Text, nullable=False),
    Column("cpu_cores", Float, nullable=False),
    Column("ram_gb", Float, nullable=False),
    Column("disk_gb", Float, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("task_cores", Float),
    Column("task_ram_gb", Float),
    Column("mounts_workspace", Integer, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
)

# When each owner had its turns, in the virtual time of fair queueing; the row without an owner is the present.
turns = Table(
    "owner_turns",
    metadata,
    Column("owner", String(63), primary_key=True),
    Column("served", Float, nullable=False),
)
