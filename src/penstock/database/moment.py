"""The store's own time, by which leases are judged (design.md, section 4)."""

from __future__ import annotations

import time

from sqlalchemy import Connection, text

# SQLite has no clock but this machine's. Taken once: a jump of the machine's time must end nobody's lease.
_START_US = (time.time_ns() - time.monotonic_ns()) // 1000
_NOW = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")


def moment(connection: Connection) -> int:
    """Microseconds by the store's clock, the same for every server that uses the store."""
    if connection.dialect.name == "sqlite":
        return _START_US + time.monotonic_ns() // 1000
    return int(connection.execute(_NOW).scalar_one())
