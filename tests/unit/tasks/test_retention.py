"""Tasks that ended long ago are forgotten, with their attempts, tags and folders; nothing else is."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.unit.tasks.conftest import Site

from penstock.clock import MICROSECONDS, now_us
from penstock.database.engine import Database
from penstock.database.migrate import migrate
from penstock.errors import NotFound
from penstock.tasks import retention as module
from penstock.tasks.retention import Retention
from penstock.tasks.tables import ALONE_AND_ENDED, attempts, tags

KEEP_S = 100


class Clock:
    """Seconds from now."""

    later_s = 0

    def __call__(self) -> int:
        return now_us() + self.later_s * MICROSECONDS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def retention(site: Site, database: Database, clock: Clock) -> Retention:
    return Retention(database, site.signals, site.workspace, KEEP_S, clock)


async def _ended(site: Site, count: int = 1) -> list[str]:
    ended = []
    for _ in range(count):
        task, attempt = await site.leased_task()
        (site.workspace / "tasks" / task / "1").mkdir(parents=True)
        await site.finish(attempt)
        ended.append(task)
    return ended


async def test_an_ended_task_goes_when_its_time_is_over(site: Site, retention: Retention, clock: Clock) -> None:
    await site.register()
    (task,) = await _ended(site)
    clock.later_s = KEEP_S - 10
    assert await retention.sweep() == 0
    await site.get(task)
    clock.later_s = KEEP_S + 10
    assert await retention.sweep() == 1
    with pytest.raises(NotFound):
        await site.get(task)
    assert list((site.workspace / "tasks").iterdir()) == []


async def test_attempts_and_tags_go_with_it(site: Site, retention: Retention, database: Database, clock: Clock) -> None:
    await site.register()
    await _ended(site)
    clock.later_s = 2 * KEEP_S
    await retention.sweep()
    assert await database.read(lambda c: c.execute(select(attempts.c.id)).all()) == []
    assert await database.read(lambda c: c.execute(select(tags.c.key)).all()) == []


async def test_what_lives_or_belongs_to_a_workload_stays(site: Site, retention: Retention, clock: Clock) -> None:
    await site.register()
    theirs = (await site.create(workload="w", key="k")).id
    await site.finish((await site.lease()).leased[0][1].id)
    queued = (await site.create()).id
    clock.later_s = 2 * KEEP_S
    assert await retention.sweep() == 0
    assert {(await site.get(one)).id for one in (theirs, queued)} == {theirs, queued}


async def test_many_go_in_small_batches(
    site: Site, retention: Retention, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    await site.register()
    await _ended(site, 5)
    clock.later_s = 2 * KEEP_S
    assert await retention.sweep() == 5


async def test_it_sleeps_until_the_first_is_due_and_ends_with_the_server(
    site: Site, retention: Retention, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.register()
    (task,) = await _ended(site)
    clock.later_s = KEEP_S - 1
    swept, sweep = asyncio.Event(), retention.sweep

    async def sweep_and_tell() -> None:
        if await sweep():
            swept.set()

    monkeypatch.setattr(retention, "sweep", sweep_and_tell)
    watching = asyncio.create_task(retention.watch())
    async with asyncio.timeout(20):
        await swept.wait()
    with pytest.raises(NotFound):
        await site.get(task)
    site.signals.drain()
    await watching


def test_looking_for_what_is_due_reads_an_index(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path / 'x.db'}")
    connection = sqlite3.connect(tmp_path / "x.db")
    for query in (
        f"SELECT min(ended_us) FROM tasks WHERE {ALONE_AND_ENDED}",  # noqa: S608
        f"SELECT id FROM tasks WHERE {ALONE_AND_ENDED} AND ended_us < 5 ORDER BY ended_us LIMIT 5",  # noqa: S608
    ):
        plan = " ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert "ix_tasks_ended" in plan
        assert "TEMP B-TREE" not in plan
    connection.close()
