"""Which of several servers leads: the one whose session holds an advisory lock. Another takes over when it ends.

The lock ends with its holder's process, at once. A holder that loses its connection instead is told, and stops; who
comes after it waits a moment for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog

from penstock.database.faults import BROKEN, fault_of
from penstock.database.locks import SPACE, Lock, connect

BEAT_S = 1.0
SILENCE_S = 3.0  # less than the server's keep-alive takes: a holder that is cut off stops before its lock is free
GRACE_S = 1.0
WAIT = "20s"  # a statement that waits keeps old row versions alive, so it must not wait for days
log = structlog.get_logger(__name__)


@asynccontextmanager
async def lead(url: str) -> AsyncIterator[asyncio.Event]:
    """Wait for the lock, then hold it; the event tells that the session was lost, and the lock with it."""
    connection, waited = await _acquire(url)
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _connection: lost.set())
    beat = asyncio.create_task(_beat(connection, lost))
    try:
        if waited:
            await asyncio.sleep(GRACE_S)
        yield lost
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        await _end(connection)


async def _acquire(url: str) -> tuple[asyncpg.Connection, bool]:
    waited = False
    while True:
        try:
            connection = await connect(url, "penstock lead", lock_timeout=WAIT)
            try:
                if not await _hold(connection):
                    waited = True
                    await _wait(connection)
            except BaseException:
                connection.terminate()
                raise
            else:
                return connection, waited
        except BROKEN as error:
            if isinstance(error, asyncpg.PostgresError) and fault_of(error) is None:
                raise
            waited = True
        await asyncio.sleep(BEAT_S)


async def _hold(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", SPACE, int(Lock.LEAD)))


async def _wait(connection: asyncpg.Connection) -> None:
    while True:
        try:
            await connection.execute(f"SELECT pg_advisory_lock({SPACE}, {int(Lock.LEAD)})")
        except asyncpg.LockNotAvailableError:
            continue
        return


async def _beat(connection: asyncpg.Connection, lost: asyncio.Event) -> None:
    while not lost.is_set():
        try:
            await connection.execute("SELECT 1", timeout=SILENCE_S)
        except BROKEN as error:
            log.warning("the connection of the leading server broke", reason=str(error))
            lost.set()
        await asyncio.sleep(BEAT_S)


async def _end(connection: asyncpg.Connection) -> None:
    with suppress(*BROKEN):
        await connection.close(timeout=SILENCE_S)
        return
    connection.terminate()
