"""PostgreSQL as the store: alone as on SQLite, patient with a database that is away, and quiet about its password."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
from sqlalchemy import Connection, text
from tests.postgres import Postgres

from penstock.database.migrate import migrate_postgres
from penstock.database.opening import is_postgres
from penstock.database.postgres import PostgresDatabase
from penstock.errors import NotFound, SetupError, StoreAway

PATIENCE_S = 20.0


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    one = PostgresDatabase(postgres_url, PATIENCE_S)
    await one.write(lambda c: c.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))
    yield one
    await one.close()


def _put(number: int) -> Callable[[Connection], int]:
    def change(connection: Connection) -> int:
        connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number})
        return number

    return change


def _count_up(connection: Connection) -> int:
    """A change that is wrong unless it runs alone: it writes what it has read."""
    seen = connection.execute(text("SELECT coalesce(max(n), 0) FROM t")).scalar_one()
    connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": seen + 1})
    return int(seen) + 1


async def _numbers(store: PostgresDatabase) -> list[int]:
    return await store.read(lambda c: list(c.execute(text("SELECT n FROM t ORDER BY n")).scalars()))


async def test_changes_of_two_servers_run_one_after_the_other(store: PostgresDatabase, postgres_url: str) -> None:
    other = PostgresDatabase(postgres_url, PATIENCE_S)
    counted = await asyncio.gather(*(one.write(_count_up) for _ in range(100) for one in (store, other)))
    assert sorted(counted) == list(range(1, 201))
    await other.close()


async def test_one_that_fails_does_not_undo_its_neighbours(store: PostgresDatabase) -> None:
    def refuse(connection: Connection) -> None:
        _put(9)(connection)
        raise NotFound("There is no such thing.")

    wanted = [store.write(_put(1)), store.write(_put(2)), store.write(_put(2)), store.write(refuse)]
    results = await asyncio.gather(*wanted, store.write(_put(3)), return_exceptions=True)
    assert [type(one).__name__ for one in results] == ["int", "int", "IntegrityError", "NotFound", "int"]
    assert await _numbers(store) == [1, 2, 3]


async def test_a_change_that_fails_alone_leaves_nothing(store: PostgresDatabase) -> None:
    def refuse(connection: Connection) -> None:
        _put(9)(connection)
        raise NotFound("There is no such thing.")

    with pytest.raises(NotFound):
        await store.write(refuse)
    assert await _numbers(store) == []


async def test_a_read_sees_one_moment(store: PostgresDatabase) -> None:
    await store.write(_put(1))
    begun, go_on = asyncio.Event(), asyncio.Event()

    def twice(connection: Connection) -> tuple[int, int]:
        from sqlalchemy.util import await_only  # how a synchronous function waits under run_sync

        count = text("SELECT count(*) FROM t")
        first = int(connection.execute(count).scalar_one())
        begun.set()
        await_only(go_on.wait())
        return first, int(connection.execute(count).scalar_one())

    reading = asyncio.create_task(store.read(twice))
    await begun.wait()
    await store.write(_put(2))
    go_on.set()
    assert await reading == (1, 1)


async def test_a_caller_that_goes_away_leaves_no_connection_behind(store: PostgresDatabase) -> None:
    for _ in range(30):
        caller = asyncio.create_task(store.read(lambda c: c.execute(text("SELECT pg_sleep(0.02)")).all()))
        await asyncio.sleep(0.002)
        caller.cancel()
    assert await _numbers(store) == []


async def test_sessions_that_are_ended_are_made_anew(store: PostgresDatabase, postgres_url: str) -> None:
    await store.write(_put(1))
    killer = await asyncpg.connect(postgres_url)
    for number in range(2, 6):
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert await store.write(_put(number)) == number
        assert await _numbers(store) == list(range(1, number + 1))
    await killer.close()


async def test_calls_wait_for_a_database_that_comes_back(own_postgres: Postgres) -> None:
    store = PostgresDatabase(await own_postgres.create(), PATIENCE_S)
    await store.write(lambda c: c.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))
    own_postgres.kill()
    calls = [asyncio.create_task(store.write(_put(n))) for n in range(3)]
    reading = asyncio.create_task(store.read(lambda c: c.execute(text("SELECT 1")).scalar_one()))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(own_postgres.start)
    assert await asyncio.gather(*calls) == [0, 1, 2]
    assert await reading == 1
    await store.close()


async def test_calls_give_up_in_time_and_say_when_to_come_again(own_postgres: Postgres) -> None:
    store = PostgresDatabase(await own_postgres.create(), 0.3)
    own_postgres.kill()
    for call in (store.read(lambda _: None), store.write(_put(1))):
        with pytest.raises(StoreAway) as caught:
            await call
        assert caught.value.headers == {"Retry-After": "2"}
    await asyncio.to_thread(own_postgres.start)
    await store.write(lambda c: c.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))
    await store.close()


async def test_a_server_does_not_start_on_an_older_schema(postgres: Postgres) -> None:
    url = await postgres.empty()
    store = PostgresDatabase(url, PATIENCE_S)
    with pytest.raises(SetupError, match="penstock admin migrate"):
        await store.start()
    await migrate_postgres(url)
    await store.start()
    await store.close()


async def test_migrations_that_meet_wait_for_each_other(postgres: Postgres) -> None:
    url = await postgres.empty()
    await asyncio.gather(*(migrate_postgres(url) for _ in range(3)))
    store = PostgresDatabase(url, PATIENCE_S)
    await store.start()
    await store.close()


async def test_a_later_schema_is_one_release_of_skew(store: PostgresDatabase) -> None:
    await store.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await store.start()


@pytest.mark.parametrize("url", ["mysql://ada:secret@there/x", "secret", "secret://"])
def test_no_message_shows_a_url(url: str) -> None:
    with pytest.raises(SetupError) as caught:
        is_postgres(url)
    assert "secret" not in str(caught.value)
