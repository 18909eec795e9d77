"""PostgreSQL as the store of one or several servers (docs/architecture.md, "Several servers").

Every change of every server runs as if it were alone: its transaction begins with one advisory lock, as SQLite's
begins with BEGIN IMMEDIATE, so the same functions are right on both, nothing deadlocks and nothing is leased twice.
Changes that arrive while a commit is under way share the next transaction, so the lock costs a commit, not a change.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from penstock.clock import Deadline
from penstock.database.engine import Database
from penstock.database.faults import Fault, fault_of
from penstock.database.leadership import lead
from penstock.database.locks import WRITING, connect
from penstock.database.migrate import check_schema
from penstock.database.wire import Wire
from penstock.errors import StoreAway
from penstock.signals import Signals

T = TypeVar("T")
LARGEST_GROUP = 256
READERS = 8
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0


class _Apart(Exception):
    """One change of a group failed: its neighbours must be kept apart from it."""


class _Unknown(Exception):
    """The connection broke while the commit was under way."""


@dataclass
class _Change:
    run: Callable[[Connection], Any]
    deadline: Deadline
    answer: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def deliver(self) -> None:
        if self.answer.done():  # the caller was cancelled; its change is durable all the same
            return
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.result)


@dataclass
class _Pause:
    """Waits a little longer each time."""

    next_s: float = field(default=FIRST_PAUSE_S)

    async def wait(self) -> None:
        await asyncio.sleep(self.next_s)
        self.next_s = min(2 * self.next_s, LONGEST_PAUSE_S)


class PostgresDatabase(Database):
    """``url`` is libpq's; ``patience_s`` is how long a call waits for a database that is away. Used in one loop."""

    alone = False

    def __init__(self, url: str, patience_s: float) -> None:
        self._url = url
        self._patience_s = patience_s
        self._reading = _engine(url, READERS, patience_s)
        self._writing = _engine(url, 1, patience_s)
        self._waiting: deque[_Change] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._wire: Wire | None = None

    async def start(self, signals: Signals | None = None) -> None:
        """Check the schema; SetupError says what to type if it is not this release's."""
        await self.read(check_schema)
        if signals is not None:
            self._wire = Wire(self._url, signals)
            await self._wire.start()

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` on a snapshot and return what it returns; StoreAway if there is no database in time."""
        # A caller that goes away must not leave a connection behind in the middle of a statement.
        return await asyncio.shield(asyncio.ensure_future(self._read(query)))

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run ``change`` alone and return its result once it is durable; StoreAway if that cannot be said in time."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Change(change, Deadline.after(self._patience_s), answer))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_what_waits(), name="database-writer")
        return await answer

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[asyncio.Event]:
        """Wait until no other server leads."""
        async with lead(self._url) as lost:
            yield lost

    async def close(self) -> None:
        """Finish what is queued, then close."""
        if self._writer is not None:
            await self._writer
        if self._wire is not None:
            await self._wire.stop()
        for engine in (self._reading, self._writing):
            await engine.dispose()

    async def _read(self, query: Callable[[Connection], T]) -> T:
        deadline, pause = Deadline.after(self._patience_s), _Pause()
        while True:
            try:
                async with self._reading.connect() as connection:
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                    return await connection.run_sync(query)
            except Exception as error:
                if fault_of(error) is None:
                    raise
                if deadline.passed:
                    raise away() from error
            await pause.wait()

    async def _write_what_waits(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(LARGEST_GROUP, len(self._waiting)))]
            await self._persist(group)

    async def _persist(self, group: list[_Change]) -> None:
        """Commit the group, again where that may help, and answer everybody."""
        pause, apart = _Pause(), False
        while group:
            try:
                await self._transact(group, apart=apart)
            except _Apart:
                apart = True
            except Exception as error:  # noqa: BLE001 - whatever it was, nobody of this group may believe in the commit
                group = _give_up(group, error)
                if group:
                    await pause.wait()
            else:
                _deliver(group)
                return

    async def _transact(self, group: list[_Change], *, apart: bool) -> None:
        async with self._writing.connect() as connection:
            await connection.execute(WRITING)
            for change in group:
                change.error = None
                if apart:
                    await _apply_apart(connection, change)
                else:
                    await _apply(connection, change, alone=len(group) == 1)
            if len(group) == 1 and group[0].error is not None:
                return
            await _commit(connection)


def _engine(url: str, size: int, patience_s: float) -> AsyncEngine:
    return create_async_engine(
        "postgresql+asyncpg://",  # the address, with its password, is the creator's alone
        async_creator=lambda: connect(url, "penstock"),
        pool_size=size,
        max_overflow=0,
        pool_timeout=patience_s,
    )


async def _apply(connection: AsyncConnection, change: _Change, *, alone: bool) -> None:
    try:
        change.result = await connection.run_sync(change.run)
    except Exception as error:
        if fault_of(error) is not None:
            raise
        if not alone:
            raise _Apart from error
        change.error = error


async def _apply_apart(connection: AsyncConnection, change: _Change) -> None:
    savepoint = await connection.begin_nested()
    try:
        change.result = await connection.run_sync(change.run)
    except Exception as error:
        if fault_of(error) is not None:
            raise
        await savepoint.rollback()
        change.error = error
    else:
        await savepoint.commit()


async def _commit(connection: AsyncConnection) -> None:
    try:
        await connection.commit()
    except Exception as error:
        # A conflict says for certain that nothing was stored; a broken connection says nothing at all.
        if fault_of(error) is Fault.AWAY:
            raise _Unknown from error
        raise


def _give_up(group: list[_Change], error: Exception) -> list[_Change]:
    """Answer those for whom this error is the end; the others, whose transaction can be tried again."""
    fault = fault_of(error)
    staying = [] if fault is None else [change for change in group if not change.deadline.passed]
    told = away(unknown=True) if isinstance(error, _Unknown) else away() if fault is not None else error
    told.__cause__ = None if told is error else error
    for change in group:
        if change not in staying:
            change.error = told
            change.deliver()
    return staying


def _deliver(group: list[_Change]) -> None:
    for change in group:
        change.deliver()


def away(*, unknown: bool = False) -> StoreAway:
    """The answer to who has waited for the database in vain."""
    message = (
        "The database went away while this was being stored; it may or may not be."
        if unknown
        else ("The database does not answer.")
    )
    return StoreAway(message, hint="Try again in a moment.", headers={"Retry-After": "2"})
