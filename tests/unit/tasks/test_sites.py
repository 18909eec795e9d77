"""Several sites with tags, and what comes back from one that is gone."""

from __future__ import annotations

import pytest
from tests.unit.tasks.conftest import ROOM, Site

from penstock.clock import Deadline
from penstock.errors import InvalidInput
from penstock.names import new_id
from penstock.tasks import sites
from penstock.tasks.ends import End
from penstock.tasks.handout import Holder, Known
from penstock.tasks.models import AttemptLog, NewTask, Outcome, State, TaskSpec, Terms

FAST, PLAIN = Holder("fast", "1"), Holder("plain", "1")
RUN = TaskSpec.model_validate({"executors": [{"image": "i", "command": ["true"]}]})


async def _register(site: Site, holder: Holder, **tags: str) -> None:
    await site.queue.register(holder, ROOM, tags, [], mounts=True)


async def _lease(site: Site, holder: Holder) -> list[str]:
    orders = await site.queue.lease(holder, Known(set(), set(), 32), Deadline.after(0))
    return [task.id for task, _ in orders.leased]


async def test_a_task_goes_to_a_site_that_has_its_tags(site: Site) -> None:
    await _register(site, FAST, disk="nvme", zone="a")
    await _register(site, PLAIN, zone="a")
    task = (await site.create(tags={"disk": "nvme"})).id
    assert await _lease(site, PLAIN) == []
    assert await _lease(site, FAST) == [task]


async def test_a_task_without_tags_goes_anywhere(site: Site) -> None:
    await _register(site, FAST, disk="nvme")
    task = (await site.create()).id
    assert await _lease(site, FAST) == [task]


async def test_tasks_for_another_site_do_not_hide_those_behind_them(site: Site) -> None:
    await _register(site, FAST, disk="nvme")
    await _register(site, PLAIN)
    wanted = Terms(tags={"disk": "nvme"}, cpu_cores=0)
    await site.service.create([NewTask(owner="ada", spec=RUN, terms=wanted) for _ in range(400)])
    task = (await site.create()).id
    assert await _lease(site, PLAIN) == [task]


async def test_tasks_too_large_for_a_site_do_not_hide_those_behind_them(site: Site) -> None:
    await _register(site, PLAIN)
    large = ROOM.model_copy(update={"cpu_cores": 64})
    await site.queue.register(FAST, large, {}, [], mounts=True)
    await site.service.create([NewTask(owner="ada", spec=RUN, terms=Terms(cpu_cores=32)) for _ in range(400)])
    task = (await site.create()).id
    assert await _lease(site, PLAIN) == [task]


async def test_tags_that_no_site_has_are_refused_at_create_with_the_reason(site: Site) -> None:
    await _register(site, FAST, disk="nvme")
    with pytest.raises(InvalidInput, match=r"no site has the tags disk=tape \(fast: disk=nvme\)"):
        await site.create(tags={"disk": "tape"})
    assert await _lease(site, FAST) == []


async def test_a_size_that_no_site_with_the_tags_has_is_refused_at_create(site: Site) -> None:
    await _register(site, FAST, disk="nvme")
    await site.queue.register(PLAIN, ROOM.model_copy(update={"cpu_cores": 64}), {}, [], mounts=True)
    await site.create(cpu_cores=64)
    with pytest.raises(InvalidInput, match="the largest site, fast, has 2 CPU cores"):
        await site.create(cpu_cores=64, tags={"disk": "nvme"})


async def test_a_workload_is_told_what_one_task_can_have_not_what_all_nodes_have_together(site: Site) -> None:
    nodes = ROOM.model_copy(update={"task_cores": 1.5, "task_ram_gb": 1})
    await site.queue.register(PLAIN, nodes, {}, [], mounts=True)
    told = await site.queue.largest_site()
    assert (told.cpu_cores, told.ram_gb) == (1.5, 1)


async def test_a_process_of_a_workload_that_no_site_can_serve_ends_saying_why(site: Site) -> None:
    await _register(site, PLAIN)
    made = await site.create(workload=new_id(), key="k", tags={"disk": "nvme"})
    ended = await site.get(made.id)
    assert (ended.state, "no site has the tags" in ended.reason) == (State.SYSTEM_ERROR, True)


async def test_before_any_site_is_known_a_task_waits_for_one_with_its_tags(site: Site) -> None:
    task = (await site.create(tags={"disk": "nvme"})).id
    await _register(site, PLAIN)
    await _register(site, FAST, disk="nvme")
    assert await _lease(site, FAST) == [task]


async def test_a_site_that_disappears_gives_its_tasks_back_to_another(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _register(site, FAST)
    await _register(site, PLAIN)
    task = (await site.create()).id
    assert await _lease(site, FAST) == [task]
    monkeypatch.setattr("penstock.tasks.queue.moment", lambda _connection: 1 << 60)
    await site.queue.expire()
    monkeypatch.undo()
    assert await _lease(site, PLAIN) == [task]
    assert not await site.queue.finished(FAST, f"{task}-1", End(1, Outcome.COMPLETE, "", AttemptLog()))
    assert (await site.get(task)).attempts[-1].site == "plain"


async def test_a_site_that_is_removed_is_not_waited_for(site: Site) -> None:
    await _register(site, FAST, disk="nvme")
    await _register(site, PLAIN)
    database = site.queue._database
    assert await database.write(lambda connection: sites.remove(connection, "fast"))
    assert not await database.write(lambda connection: sites.remove(connection, "fast"))
    with pytest.raises(InvalidInput, match="no site has the tags"):
        await site.create(tags={"disk": "nvme"})
