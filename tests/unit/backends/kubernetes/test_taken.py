"""Room that ended pods hold until they are removed."""

from __future__ import annotations

import asyncio

import pytest

from penstock.backends.kubernetes import taken
from penstock.backends.kubernetes.taken import Taken
from penstock.tasks.room import Room

ROOM = Room(cpu_cores=2, ram_gb=4, disk_gb=1, slots=3)


async def settled(job: asyncio.Task[None]) -> bool:
    """Whether it is done once everything that can go on has done so."""
    for _ in range(10):
        await asyncio.sleep(0)
    return job.done()


@pytest.mark.parametrize(("cpu_cores", "ram_gb"), [(1.5, 0.1), (0.1, 3)])
async def test_a_pod_waits_until_one_that_has_ended_is_gone(cpu_cores: float, ram_gb: float) -> None:
    room = Taken(ROOM)
    await room.take("old", cpu_cores, ram_gb)
    room.end("old")
    job = asyncio.create_task(room.take("new", cpu_cores, ram_gb))
    assert not await settled(job)
    room.free("old")
    await job


async def test_of_many_that_wait_as_many_go_on_as_fit() -> None:
    room = Taken(ROOM)
    for old in ("a", "b"):
        await room.take(old, 1, 1)
        room.end(old)
    jobs = [asyncio.create_task(room.take(new, 1, 1)) for new in ("c", "d")]
    room.free("a")
    await settled(jobs[1])
    assert [job.done() for job in jobs] == [True, False]
    room.free("b")
    await asyncio.gather(*jobs)


async def test_slots_count_too() -> None:
    room = Taken(ROOM)
    for old in ("a", "b", "c"):
        await room.take(old, 0.1, 0.1)
    room.end("a")
    job = asyncio.create_task(room.take("d", 0.1, 0.1))
    assert not await settled(job)
    room.free("a")
    await job


async def test_nobody_waits_where_there_is_room_or_where_nothing_will_be_removed() -> None:
    room = Taken(ROOM)
    await room.take("a", 1, 1)
    room.end("a")
    await asyncio.wait_for(room.take("b", 1, 1), 10)
    room.free("a")
    await asyncio.wait_for(room.take("head", 1.5, 1), 10)  # the server knows best: nothing has ended


async def test_a_removal_that_does_not_come_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taken, "_PATIENCE_S", 0.0)
    room = Taken(ROOM)
    await room.take("a", 2, 1)
    room.end("a")
    await asyncio.wait_for(room.take("b", 2, 1), 10)
