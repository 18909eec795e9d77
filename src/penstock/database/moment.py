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


class Steady:
    """Notices a database's clock that is set: by this process's own, which never is. ``most_us`` is no jump yet."""

    def __init__(self, most_us: float) -> None:
        self._most_us = most_us
        self._ahead_us: int | None = None

    def jumped(self, now: int) -> bool:
        """Whether the clock that says ``now`` has jumped since the last look."""
        ahead, before = now - time.monotonic_ns() // 1000, self._ahead_us
        self._ahead_us = ahead
        return before is not None and abs(ahead - before) > self._most_us
