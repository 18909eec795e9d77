"""Uploads in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from penstock.database.tables import metadata
from penstock.uploads.models import Upload

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("owner", String(63), nullable=False),
    Column("workload", String(26), nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("touched_us", BigInteger, nullable=False),
)
# What is unfinished is little; what is finished must not slow the sweeps over it down.
Index(
    "ix_uploads_unfinished",
    uploads.c.touched_us,
    sqlite_where=text("complete = 0"),
    postgresql_where=text("complete = false"),
)


def add(connection: Connection, new: Sequence[Upload]) -> None:
    """Store new uploads."""
    if new:
        connection.execute(insert(uploads), [vars(upload) for upload in new])


def find(connection: Connection, upload: str) -> Upload | None:
    """The upload with this id."""
    row = connection.execute(select(uploads).where(uploads.c.id == upload)).one_or_none()
    return None if row is None else _upload(row)


def of_workload(connection: Connection, workload: str) -> list[Upload]:
    """A workload's uploads in the order they were declared."""
    query = select(uploads).where(uploads.c.workload == workload).order_by(uploads.c.id)
    return [_upload(row) for row in connection.execute(query)]


def unfinished(connection: Connection) -> list[Upload]:
    """Every upload that is not complete."""
    return [_upload(row) for row in connection.execute(select(uploads).where(~uploads.c.complete))]


def any_unfinished(connection: Connection, workload: str) -> bool:
    """Whether the workload still waits for an upload."""
    query = select(uploads.c.id).where(uploads.c.workload == workload, ~uploads.c.complete).limit(1)
    return connection.execute(query).first() is not None


def silent_since(connection: Connection) -> dict[str, int]:
    """Workloads that wait for an upload, and when any of their uploads got its last byte, in microseconds."""
    waiting = select(uploads.c.workload).where(~uploads.c.complete)
    query = select(uploads.c.workload, func.max(uploads.c.touched_us)).where(uploads.c.workload.in_(waiting))
    return {row[0]: row[1] for row in connection.execute(query.group_by(uploads.c.workload))}


def touch(connection: Connection, upload: str, at_us: int) -> bool:
    """Note that bytes arrived; False if the upload is gone."""
    return connection.execute(update(uploads).where(uploads.c.id == upload).values(touched_us=at_us)).rowcount == 1


def complete(connection: Connection, upload: str, at_us: int) -> bool:
    """Note that all bytes are durable; False if that was known or the upload is gone."""
    open_one = (uploads.c.id == upload) & ~uploads.c.complete
    changed = update(uploads).where(open_one).values(complete=True, touched_us=at_us)
    return connection.execute(changed).rowcount == 1


def remove_workload(connection: Connection, workload: str) -> list[str]:
    """Delete a workload's uploads; the ids that were deleted."""
    gone = delete(uploads).where(uploads.c.workload == workload).returning(uploads.c.id)
    return list(connection.execute(gone).scalars())


def known(connection: Connection) -> set[str]:
    """The ids of all uploads."""
    return set(connection.execute(select(uploads.c.id)).scalars())


def _upload(row: Row[Any]) -> Upload:
    return Upload(**row._mapping)
