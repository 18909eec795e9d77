"""SQLite as the embedded store: many readers, one writer that groups commits (design.md, section 5).

A *change* is a synchronous function of a connection. Changes that arrive while a commit is under way share the next
transaction; each is answered only after the common commit is on disk (WAL, ``synchronous=FULL``). Where one of them
fails, all of them are run again, each in a savepoint of its own, so that it does not undo its neighbours.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event

from penstock.database.engine import Database
from penstock.signals import Signals

T = TypeVar("T")
LARGEST_GROUP = 512
READERS = 4


@dataclass
class _Change:
    run: Callable[[Connection], Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def deliver(self) -> None:
        if self.answer.done():  # the caller was cancelled; its change is durable all the same
            return
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.result)


class SqliteDatabase(Database):
    """``read`` and ``write`` are called from the event loop and run the function in a thread."""

    alone = True

    def __init__(self, url: str) -> None:
        self.engine = make_engine(url)
        self._changes: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="database-reader")
        self._writer = threading.Thread(target=self._write_forever, name="database-writer", daemon=True)
        self._writer.start()

    async def start(self, signals: Signals | None = None) -> None:
        """Nothing: it was migrated before it was opened, and nobody else writes to it."""

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` on a snapshot and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)

    async def snapshot(self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` in a transaction that never writes."""

        def together(connection: Connection) -> T:
            connection.exec_driver_sql("BEGIN")
            return query(connection)

        return await self.read(together)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run ``change`` in the writer and return its result once it is durable."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._changes.put(_Change(change, loop, answer))
        return await answer

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[asyncio.Event]:
        """There is nobody else."""
        yield asyncio.Event()

    async def close(self) -> None:
        """Finish what is queued, then close."""
        self._changes.put(None)
        self._writer.join()
        self._readers.shutdown()
        self.engine.dispose()

    def _read(self, query: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:
            return query(connection)

    def _write_forever(self) -> None:
        with self.engine.connect() as connection:
            while (first := self._changes.get()) is not None:
                group, last = self._gather(first)
                _commit(connection, group)
                _deliver(group)
                if last:
                    return

    def _gather(self, first: _Change) -> tuple[list[_Change], bool]:
        group = [first]
        while len(group) < LARGEST_GROUP:
            try:
                change = self._changes.get_nowait()
            except queue.Empty:
                break
            if change is None:
                return group, True
            group.append(change)
        return group, False


def make_engine(url: str) -> Engine:
    """An engine whose SQLite connections are in WAL mode and durable at each commit."""
    engine = create_engine(url, pool_size=READERS + 1, max_overflow=4)

    @event.listens_for(engine, "connect")
    def _prepare(raw: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's own type
        raw.isolation_level = None  # BEGIN is ours, see below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            raw.execute(f"PRAGMA {pragma}").close()

    return engine


def _commit(connection: Connection, group: list[_Change]) -> None:
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if not _apply_all(connection, group):
            connection.rollback()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            for change in group:
                _apply(connection, change)
        connection.commit()
    except BaseException as error:  # noqa: BLE001 - whatever it was, nobody of this group may believe in the commit
        connection.rollback()
        for change in group:
            change.error = change.error or error


def _apply_all(connection: Connection, group: list[_Change]) -> bool:
    """Apply the changes without savepoints, which cost as much as a small change; False if one of them fails."""
    try:
        for change in group:
            change.result = change.run(connection)
    except BaseException:
        if len(group) == 1:
            raise  # there is nobody to be kept apart from
        return False
    return True


def _apply(connection: Connection, change: _Change) -> None:
    savepoint = connection.begin_nested()
    try:
        change.result = change.run(connection)
    except BaseException as error:  # noqa: BLE001 - carried to the caller
        savepoint.rollback()
        change.error = error
    else:
        savepoint.commit()


def _deliver(group: list[_Change]) -> None:
    loops = {change.loop for change in group}
    for loop in loops:
        mine = [change for change in group if change.loop is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_deliver_in_loop, mine)


def _deliver_in_loop(changes: list[_Change]) -> None:
    for change in changes:
        change.deliver()
