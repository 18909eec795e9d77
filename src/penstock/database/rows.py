"""All rows of a store as lines of JSON, the same for SQLite and PostgreSQL: what a backup holds."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from itertools import groupby, islice
from typing import IO, Any

from sqlalchemy import Connection, func, insert, inspect, select

from penstock.database.tables import metadata

BATCH = 1000
BYTES = "base64:"
TEXT = "text:"


def dump(connection: Connection, target: IO[bytes]) -> dict[str, int]:
    """Write every row, those first that others refer to; how many there are of each table."""
    counts: dict[str, int] = {}
    for table in metadata.sorted_tables:
        counts[table.name] = 0
        for row in connection.execution_options(yield_per=BATCH).execute(select(table)):
            values = {name: _pack(value) for name, value in row._mapping.items()}
            target.write(json.dumps([table.name, values]).encode() + b"\n")
            counts[table.name] += 1
    return counts


def load(connection: Connection, lines: Iterable[bytes]) -> dict[str, int]:
    """Insert what ``dump`` wrote; how many rows there are of each table."""
    counts = {table.name: 0 for table in metadata.sorted_tables}
    for name, rows in groupby((json.loads(line) for line in lines), key=lambda row: str(row[0])):
        values = ({column: _unpack(value) for column, value in row[1].items()} for row in rows)
        while batch := list(islice(values, BATCH)):
            connection.execute(insert(metadata.tables[name]), batch)
            counts[name] += len(batch)
    return counts


def filled(connection: Connection) -> list[str]:
    """The tables that have rows."""
    present = set(inspect(connection).get_table_names())
    tables = [one for one in metadata.sorted_tables if one.name in present]
    return [one.name for one in tables if connection.execute(select(func.count()).select_from(one)).scalar_one()]


def clear(connection: Connection) -> None:
    """Delete every row."""
    for table in reversed(metadata.sorted_tables):
        connection.execute(table.delete())


def _pack(value: Any) -> Any:  # noqa: ANN401 - what a column may hold
    if isinstance(value, bytes):
        return BYTES + base64.b64encode(value).decode()
    if isinstance(value, str) and value.startswith((BYTES, TEXT)):
        return TEXT + value
    return value


def _unpack(value: Any) -> Any:  # noqa: ANN401 - see above
    if not isinstance(value, str):
        return value
    if value.startswith(BYTES):
        return base64.b64decode(value[len(BYTES) :])
    return value.removeprefix(TEXT)
