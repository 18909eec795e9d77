"""Sites whose size changes under their tasks: nodes are lost, and come."""

from __future__ import annotations

from tests.unit.tasks.conftest import ROOM, Site

from penstock.clock import Deadline
from penstock.database.engine import Database
from penstock.tasks import sites
from penstock.tasks.handout import Known
from penstock.tasks.models import State
from penstock.tasks.room import Room

HALF = ROOM.model_copy(update={"cpu_cores": ROOM.cpu_cores / 2, "ram_gb": ROOM.ram_gb / 2})
DOUBLE = ROOM.model_copy(update={"cpu_cores": ROOM.cpu_cores * 2, "slots": ROOM.slots * 2})


async def _leased(site: Site, total: Room | None) -> list[str]:
    orders = await site.queue.lease(site.holder, Known(set(), set(), 32, total), Deadline.after(0))
    return [task.id for task, _ in orders.leased]


async def _noted(database: Database) -> Room:
    [place] = await database.read(sites.everyone)
    return place.room


async def test_a_site_that_has_lost_half_of_its_room_gets_half_of_the_tasks(site: Site) -> None:
    await site.register()
    tasks = [(await site.create(cpu_cores=ROOM.cpu_cores / 2)).id for _ in range(2)]
    assert await _leased(site, HALF) == tasks[:1]


async def test_what_needs_the_lost_room_waits_and_runs_when_it_is_back(site: Site) -> None:
    await site.register()
    task = (await site.create(cpu_cores=ROOM.cpu_cores)).id
    assert await _leased(site, HALF) == []
    assert (await site.get(task)).state is State.QUEUED
    assert await _leased(site, ROOM) == [task]


async def test_what_needs_the_lost_room_can_still_be_created(site: Site) -> None:
    await site.register()
    await _leased(site, HALF)
    task = (await site.create(cpu_cores=ROOM.cpu_cores)).id
    assert (await site.get(task)).state is State.QUEUED


async def test_a_site_that_grows_gets_what_it_could_not_run_before(site: Site, database: Database) -> None:
    await site.register()
    assert await _leased(site, DOUBLE) == []
    assert await _noted(database) == DOUBLE
    task = (await site.create(cpu_cores=DOUBLE.cpu_cores)).id
    assert await _leased(site, DOUBLE) == [task]


async def test_a_smaller_room_is_not_noted(site: Site, database: Database) -> None:
    await site.register()
    await _leased(site, HALF)
    assert await _noted(database) == ROOM


async def test_an_agent_that_does_not_tell_its_room_has_what_it_registered_with(site: Site) -> None:
    await site.register()
    task = (await site.create(cpu_cores=ROOM.cpu_cores)).id
    assert await _leased(site, None) == [task]


def test_no_limit_for_one_task_is_the_largest() -> None:
    limited = ROOM.model_copy(update={"task_cores": 1.0})
    assert ROOM.or_more(limited) == limited.or_more(ROOM) == ROOM
