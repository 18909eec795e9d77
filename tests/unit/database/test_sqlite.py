"""Group commit: shared transactions, separate fates."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from penstock.database.sqlite import SqliteDatabase


@pytest.fixture
def store(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(f"sqlite:///{tmp_path / 'x.db'}")


async def _table(store: SqliteDatabase) -> None:
    await store.write(lambda c: c.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))


def _put(number: int) -> Callable[[Connection], int]:
    def change(connection: Connection) -> int:
        connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number})
        return number

    return change


async def _numbers(store: SqliteDatabase) -> list[int]:
    return await store.read(lambda c: list(c.execute(text("SELECT n FROM t ORDER BY n")).scalars()))


async def test_a_write_is_durable_when_it_returns(store: SqliteDatabase, tmp_path: Path) -> None:
    await _table(store)
    await store.write(_put(1))
    with sqlite3.connect(tmp_path / "x.db") as other:
        assert other.execute("SELECT n FROM t").fetchall() == [(1,)]
    other.close()
    await store.close()


async def test_concurrent_writes_share_commits(store: SqliteDatabase) -> None:
    await _table(store)
    made = await asyncio.gather(*(store.write(_put(n)) for n in range(300)))
    assert made == list(range(300))
    assert await _numbers(store) == list(range(300))
    await store.close()


async def test_one_that_fails_does_not_undo_its_neighbours(store: SqliteDatabase) -> None:
    await _table(store)
    wanted = [store.write(_put(n)) for n in (1, 2, 2, 3)]
    results = await asyncio.gather(*wanted, return_exceptions=True)
    assert sum(isinstance(one, Exception) for one in results) == 1
    assert await _numbers(store) == [1, 2, 3]
    await store.close()


async def test_a_change_whose_caller_went_away_is_durable_all_the_same(store: SqliteDatabase) -> None:
    await _table(store)
    caller = asyncio.create_task(store.write(_put(7)))
    await asyncio.sleep(0)
    caller.cancel()
    await store.write(_put(8))
    assert await _numbers(store) == [7, 8]
    await store.close()


async def test_the_store_is_in_wal_mode_and_syncs_fully(store: SqliteDatabase) -> None:
    def pragmas(connection: Connection) -> tuple[object, ...]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return tuple(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names)

    assert await store.read(pragmas) == ("wal", 2, 1)
    await store.close()
