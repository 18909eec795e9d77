"""Connections to PostgreSQL outside of the pools, and the advisory locks that the servers of one store share."""

from __future__ import annotations

from enum import IntEnum

import asyncpg
from sqlalchemy import text

SPACE = 0x70656E73  # "pens": nobody else's locks in a shared database
CONNECT_S = 5.0
STATEMENT_S = 60.0


class Lock(IntEnum):
    """One holder each in all servers of a store."""

    WRITE = 1
    LEAD = 2
    MIGRATE = 3


# The first statement of every change. Held until its transaction is committed, durably, or rolled back.
WRITING = text(f"SELECT pg_advisory_xact_lock({SPACE}, {Lock.WRITE})")


async def connect(url: str, name: str, **more: str) -> asyncpg.Connection:
    """A connection whose end is noticed on both sides, and which lets go of its locks when its process is stuck."""
    given = {
        "application_name": name,
        "idle_in_transaction_session_timeout": "10s",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
        "timezone": "UTC",
        **more,
    }
    return await asyncpg.connect(url, timeout=CONNECT_S, command_timeout=STATEMENT_S, server_settings=given)
