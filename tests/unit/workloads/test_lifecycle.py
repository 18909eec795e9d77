"""The state machine: what moves a workload, what never does, who is woken."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
from pathlib import Path

import pytest

from penstock.clock import MICROSECONDS, Deadline
from penstock.database.engine import Database
from penstock.database.migrate import migrate
from penstock.errors import Gone, NotFound
from penstock.names import new_id
from penstock.signals import Signals, workload_topic
from penstock.workloads import store
from penstock.workloads.accounts import new_account
from penstock.workloads.lifecycle import EXPIRY_TOPIC, Lifecycle
from penstock.workloads.models import FINISHED, InputFile, Result, State, Workload

RETENTION_S = 100


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000 * MICROSECONDS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def lifecycle(database: Database, clock: Clock) -> Lifecycle:
    return Lifecycle(database, Signals(), RETENTION_S, clock)


async def add(lifecycle: Lifecycle, state: State = State.UPLOADING, owner: str = "ada") -> str:
    workload = new_id()
    now = lifecycle.clock()
    new = Workload(
        id=workload,
        owner=owner,
        name="",
        pipeline="p",
        version="1",
        parameters={"a": [1]},
        state=state,
        reason="",
        sequence=1,
        created_us=now,
        updated_us=now,
        expires_us=None,
        inputs=(InputFile(role="text", name="a", size=1, sha256="0" * 64),),
    )
    await lifecycle.database.write(lambda c: store.add(c, new, new_account(workload)[0]))
    return workload


async def test_a_move_applies_in_its_source_state_only(lifecycle: Lifecycle) -> None:
    for state, source in itertools.product(State, State):
        workload = await add(lifecycle, state)
        moved = await lifecycle.move(workload, [source], State.FAILED, "why")
        found = await lifecycle.whole(workload)
        assert moved == (state is source)
        assert (found.state, found.reason) == ((State.FAILED, "why") if moved else (state, ""))
        assert found.sequence == (2 if moved else 1)


async def test_of_two_moves_at_once_one_wins(lifecycle: Lifecycle) -> None:
    workload = await add(lifecycle)
    moves = [lifecycle.move(workload, [State.UPLOADING], State.PREPARING) for _ in range(20)]
    assert sorted(await asyncio.gather(*moves)) == [False] * 19 + [True]
    events = await lifecycle.database.read(lambda c: store.events_of(c, workload))
    assert [event.state for event in events] == [State.UPLOADING, State.PREPARING]


async def test_a_move_wakes_who_waits_after_it_is_durable(lifecycle: Lifecycle) -> None:
    workload = await add(lifecycle)
    topic = workload_topic(workload)
    seen = lifecycle.signals.count(topic)
    waiting = asyncio.create_task(lifecycle.signals.wait(topic, seen, Deadline.after(10)))
    await lifecycle.move(workload, [State.UPLOADING], State.PREPARING)
    assert await waiting
    assert (await lifecycle.whole(workload)).state is State.PREPARING


async def test_a_move_and_what_belongs_to_it_are_one_transaction(lifecycle: Lifecycle) -> None:
    workload = await add(lifecycle, State.SUCCEEDED)

    def fail(_connection: object) -> None:
        raise RuntimeError("power is gone")

    with pytest.raises(RuntimeError):
        await lifecycle.move(workload, FINISHED, State.ACKNOWLEDGED, together=fail)
    assert (await lifecycle.whole(workload)).state is State.SUCCEEDED


@pytest.mark.parametrize("target", State)
async def test_only_a_finished_workload_has_a_time_to_expire(lifecycle: Lifecycle, clock: Clock, target: State) -> None:
    workload = await add(lifecycle)
    before = lifecycle.signals.count(EXPIRY_TOPIC)
    await lifecycle.move(workload, [State.UPLOADING], target)
    expires = clock.now + RETENTION_S * MICROSECONDS if target in FINISHED else None
    assert (await lifecycle.whole(workload)).expires_us == expires
    assert lifecycle.signals.count(EXPIRY_TOPIC) - before == (target in FINISHED)


async def test_results_are_stored_with_the_move(lifecycle: Lifecycle) -> None:
    workload = await add(lifecycle, State.PACKING)
    results = (Result(name="a/b", size=1, sha256="0" * 64),)
    await lifecycle.move(workload, [State.PACKING], State.SUCCEEDED, results=results)
    assert (await lifecycle.whole(workload)).results == results
    short = await lifecycle.find(workload)
    assert short is not None
    assert (short.results, short.inputs) == ((), ())


async def test_what_is_due_is_found_at_its_time_and_not_before(lifecycle: Lifecycle, clock: Clock) -> None:
    first, second = await add(lifecycle), await add(lifecycle)
    await lifecycle.move(first, [State.UPLOADING], State.FAILED)
    clock.now += 10
    await lifecycle.move(second, [State.UPLOADING], State.CANCELED)
    due = clock.now - 10 + RETENTION_S * MICROSECONDS
    assert await lifecycle.database.read(store.next_due) == due
    assert await lifecycle.database.read(lambda c: store.due(c, due - 1)) == []
    assert await lifecycle.database.read(lambda c: store.due(c, due)) == [first]
    assert set(await lifecycle.database.read(lambda c: store.due(c, due + 10))) == {first, second}


async def test_a_tombstone_is_gone_to_its_owner_and_unknown_to_others(lifecycle: Lifecycle) -> None:
    workload = await add(lifecycle, State.ACKNOWLEDGED)
    await lifecycle.bury(workload, lambda _connection: None)
    await lifecycle.bury(workload, lambda _connection: None)
    with pytest.raises(Gone):
        await lifecycle.owned("ada", workload)
    with pytest.raises(NotFound):
        await lifecycle.owned("eve", workload)
    assert await lifecycle.database.read(lambda c: store.events_of(c, workload)) == []
    assert await lifecycle.database.read(lambda c: store.account(c, workload)) is None
    stone = await lifecycle.database.read(lambda c: store.tombstone(c, workload))
    assert stone is not None
    assert (stone.owner, stone.removed_us) == ("ada", lifecycle.clock())


async def test_a_workload_that_never_was_is_unknown(lifecycle: Lifecycle) -> None:
    with pytest.raises(NotFound):
        await lifecycle.whole(new_id())
    assert await lifecycle.find(new_id()) is None


async def test_a_list_goes_back_in_time_by_owner_and_state(lifecycle: Lifecycle) -> None:
    mine = [await add(lifecycle) for _ in range(3)]
    await add(lifecycle, owner="eve")
    await lifecycle.move(mine[1], [State.UPLOADING], State.FAILED)

    async def page(state: State | None, before: str | None, limit: int) -> list[str]:
        found = await lifecycle.database.read(lambda c: store.page(c, "ada", state, before, limit))
        return [one.id for one in found]

    newest = sorted(mine, reverse=True)
    assert await page(None, None, 10) == newest
    assert await page(None, newest[0], 1) == [newest[1]]
    assert await page(State.FAILED, None, 10) == [mine[1]]


def test_no_list_reads_more_than_its_page(tmp_path: Path) -> None:
    """The plan of every query of a page is an index, in the order of the page."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrate(url)
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        for state in ("", "AND state = 'FAILED'"):
            query = f"SELECT id FROM workloads WHERE owner = 'ada' {state} AND id < 'x' ORDER BY id DESC LIMIT 5"  # noqa: S608
            plan = " ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert "USING INDEX" in plan or "USING COVERING INDEX" in plan
            assert "TEMP B-TREE" not in plan
