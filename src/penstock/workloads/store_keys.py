"""The keys of creates, in the database: each goes with the workload that it has made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, Connection, ForeignKey, Integer, String, Table, Text, insert, select, update

from penstock.database.tables import metadata

keys = Table(
    "workload_keys",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("workload", String(26), ForeignKey("workloads.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("parts", Text, nullable=False),
    Column("repeats", Integer, nullable=False),
)


@dataclass(frozen=True)
class Made:
    """What a key has made; ``parts`` are digests of the submission's fields, ``repeats`` how often it came again."""

    workload: str
    parts: Mapping[str, str]
    repeats: int


def add(connection: Connection, key: str, workload: str, parts: Mapping[str, str]) -> None:
    """Note what a key has made."""
    row = {"key": key, "workload": workload, "parts": json.dumps(parts), "repeats": 0}
    connection.execute(insert(keys).values(row))


def find(connection: Connection, key: str) -> Made | None:
    """What this key has made."""
    row = connection.execute(select(keys).where(keys.c.key == key)).one_or_none()
    return None if row is None else Made(row.workload, json.loads(row.parts), row.repeats)


def repeated(connection: Connection, key: str) -> None:
    """Count one more repetition."""
    connection.execute(update(keys).where(keys.c.key == key).values(repeats=keys.c.repeats + 1))
