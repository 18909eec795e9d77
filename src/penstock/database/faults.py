"""What an error of PostgreSQL, or of the way to it, means for the transaction that met it."""

from __future__ import annotations

import asyncio
from enum import Enum

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# https://www.postgresql.org/docs/current/errcodes-appendix.html
CONFLICTS = frozenset({"40001", "40P01"})  # serialisation failure, deadlock
RESTARTING = frozenset({"57P01", "57P02", "57P03"})  # ended by an administrator, crash of a neighbour, still starting
CROWDED = frozenset({"53300", "55P03", "25P03", "57014"})  # too many connections, waited too long for a lock, cut off
# What a connection raises that ends while it is used: also defects of the library's and the event loop's bookkeeping.
BROKEN = (
    OSError,
    RuntimeError,
    asyncio.TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
STALE_PLAN = "0A000"  # a statement that was prepared before a migration


_AWAY = (ConnectionError, PoolTimeout, asyncio.TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Fault(Enum):
    """AGAIN: the same at once may work. AWAY: it may work once the database is back."""

    AGAIN = "again"
    AWAY = "away"


def fault_of(error: BaseException) -> Fault | None:
    """None for an error that is the statement's, or the caller's, own."""
    if isinstance(error, DBAPIError):
        code = getattr(error.orig, "sqlstate", None)
        away = error.connection_invalidated
    elif isinstance(error, asyncpg.PostgresError):
        code, away = error.sqlstate, False
    else:
        code = None
        away = isinstance(error, _AWAY)
    if code in CONFLICTS or (code == STALE_PLAN and "cached" in str(error)):
        return Fault.AGAIN
    away = away or code in RESTARTING or code in CROWDED or (code or "").startswith("08")
    return Fault.AWAY if away else None
