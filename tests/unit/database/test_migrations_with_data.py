"""A database of the release before, with data in it, is that of this release after a migration: nothing is lost.

``tests/data/schemas/0001.*.sql`` are dumps of databases of the first release, made with its own migration.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import func, select
from tests.unit.tasks.conftest import ROOM, Site, site_of

import penstock.app  # noqa: F401 - loads every table
from penstock.database.engine import Database
from penstock.database.opening import migrate_database, open_database
from penstock.database.tables import metadata
from penstock.settings import Settings
from penstock.tasks import store as tasks
from penstock.tasks.handout import Holder
from penstock.tasks.models import State
from penstock.workloads import store as workloads

SCHEMAS = Path(__file__).resolve().parents[2] / "data" / "schemas"
COUNTS = {
    "sites": 1,
    "task_parents": 1,
    "tasks": 9,
    "tokens": 1,
    "tombstones": 1,
    "workloads": 2,
    "uploads": 2,
    "accounts": 1,
    "attempts": 7,
    "task_tags": 18,
    "workload_events": 3,
}


@pytest.fixture(params=["sqlite", "postgresql"])
async def settings(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings of a server over the first release's data."""
    dump = (SCHEMAS / f"0001.{request.param}.sql").read_text()
    if request.param == "sqlite":
        with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection:
            connection.executescript(dump)
        yield Settings(database_url=SecretStr(f"sqlite:///{tmp_path / 'x.db'}"))
        return
    postgres = request.getfixturevalue("postgres")
    url = await postgres.empty()
    connection = await asyncpg.connect(url)
    await connection.execute(dump)
    await connection.close()
    yield Settings(database_url=SecretStr(url))
    await postgres.drop(url)


@pytest.fixture
async def migrated(settings: Settings) -> AsyncIterator[Database]:
    """The store after the migration."""
    await migrate_database(settings)
    one = open_database(settings)
    await one.start()
    yield one
    await one.close()


async def test_it_has_the_schema_of_the_code(migrated: Database) -> None:
    found = await migrated.read(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    assert found == []


async def test_every_row_is_there(migrated: Database) -> None:
    def count(connection: object) -> dict[str, int]:
        tables = {name: metadata.tables[name] for name in COUNTS}
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[attr-defined]
            for name, table in tables.items()
        }

    assert await migrated.read(count) == COUNTS


async def test_tasks_and_workloads_are_read_as_before(migrated: Database) -> None:
    queued = await migrated.read(lambda c: tasks.get(c, f"01hf{0:022d}"))
    failed = await migrated.read(lambda c: tasks.get(c, f"01hf{4:022d}"))
    assert queued is not None
    assert failed is not None
    assert (queued.state, failed.state) == (State.QUEUED, State.EXECUTOR_ERROR)
    assert [one.outcome for one in failed.attempts] == ["LOST", "EXECUTOR_ERROR"]
    workload = await migrated.read(lambda c: workloads.find(c, f"01hf{900:022d}"))
    assert workload is not None
    assert (workload.owner, workload.state.value) == ("ada", "RUNNING")


async def test_what_was_queued_is_leased_and_what_ran_is_adopted(migrated: Database, tmp_path: Path) -> None:
    site: Site = site_of(migrated, tmp_path)
    running = tuple(f"01hf{n:022d}-1" for n in (1, 2, 6))
    room = ROOM.model_copy(update={"cpu_cores": 16, "ram_gb": 64})
    kept = await site.register(Holder("local", "second"), running, room)
    assert sorted(attempt.id for _, attempt in kept.leased) == sorted(running)
    leased = await site.lease(set(running))
    assert sorted(task.id for task, _ in leased.leased) == [f"01hf{0:022d}", f"01hf{8:022d}"]
