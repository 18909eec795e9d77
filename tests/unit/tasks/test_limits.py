"""Shares and limits of owners."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.unit.tasks.conftest import ROOM, Site, site_of

from penstock.allowances import Allowance, allowance
from penstock.clock import Deadline
from penstock.database.engine import Database
from penstock.errors import Forbidden, LimitReached
from penstock.names import new_id
from penstock.tasks.handout import Known
from penstock.tasks.models import Kind, NewTask, TaskSpec, Terms

RUN = TaskSpec.model_validate({"executors": [{"image": "i", "command": ["true"]}]})
OWNERS = {
    "*": Allowance(most_queued=3, ram_gb=4),
    "ada": Allowance(most_running=2, weight=2),
    "bob": Allowance(most_queued=None, cpu_cores=1),
}


@pytest.fixture
def limited(database: Database, tmp_path: Path) -> Site:
    """A queue with these owners."""
    return site_of(database, tmp_path, OWNERS)


def _new(owner: str, workload: str | None = None, kind: Kind = Kind.PROCESS, **terms: object) -> NewTask:
    values = {"cpu_cores": 0.1, "ram_gb": 0.1, **terms}
    return NewTask(owner=owner, spec=RUN, terms=Terms.model_validate(values), workload=workload, kind=kind)


async def _leased(site: Site) -> list[str]:
    orders = await site.queue.lease(site.holder, Known(set(), set(), 32), Deadline.after(0))
    return [task.owner for task, _ in orders.leased]


def test_what_an_owner_leaves_out_is_everybodys() -> None:
    assert allowance(OWNERS, "ada") == Allowance(most_queued=3, ram_gb=4, most_running=2, weight=2)
    assert allowance(OWNERS, "bob") == Allowance(most_queued=None, ram_gb=4, cpu_cores=1)
    assert allowance(OWNERS, "eve") == OWNERS["*"]
    assert allowance({}, "eve") == Allowance()


@pytest.mark.parametrize("wrong", [{"weight": 0}, {"most_queued": -1}, {"most_running": 0}, {"slots": 1}])
def test_an_allowance_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Allowance.model_validate(wrong)


async def test_one_task_too_many_is_refused_saying_when_to_try_again(limited: Site) -> None:
    await limited.service.create([_new("eve")] * 3)
    with pytest.raises(LimitReached, match="'eve' may have at most 3 tasks waiting") as caught:
        await limited.service.create([_new("eve")])
    assert caught.value.headers == {"Retry-After": "30"}
    await limited.service.create([_new("ada")] * 3)


async def test_a_batch_that_is_too_large_creates_nothing(limited: Site) -> None:
    with pytest.raises(LimitReached):
        await limited.service.create([_new("eve")] * 4)
    await limited.service.create([_new("eve")] * 3)


async def test_what_has_started_does_not_count_as_waiting(limited: Site) -> None:
    await limited.register()
    await limited.service.create([_new("eve")] * 3)
    assert await _leased(limited) == ["eve"] * 3
    await limited.service.create([_new("eve")] * 3)


async def test_processes_of_workloads_do_not_count(limited: Site) -> None:
    workload = new_id()
    await limited.service.create([_new("eve", workload)] * 10)
    await limited.service.create([_new("eve")] * 3)


async def test_an_owner_without_limit_may_have_any_number(limited: Site) -> None:
    await limited.service.create([_new("bob")] * 50)


async def test_a_task_larger_than_its_owner_may_have_is_forbidden(limited: Site) -> None:
    with pytest.raises(Forbidden, match="ram_gb=5: a task of 'eve' may ask for at most 4 GB of memory"):
        await limited.service.create([_new("eve", ram_gb=5)])
    with pytest.raises(Forbidden, match="cpu_cores=2"):
        await limited.service.create([_new("bob", cpu_cores=2)])


async def test_an_owner_runs_no_more_than_it_may(limited: Site) -> None:
    await limited.register()
    await limited.service.create([_new("ada")] * 3)
    await limited.service.create([_new("bob")] * 3)
    assert sorted(await _leased(limited)) == ["ada"] * 2 + ["bob"] * 3


async def test_heads_do_not_count_against_what_their_processes_may(limited: Site) -> None:
    await limited.register(room=ROOM.model_copy(update={"slots": 64}))
    heads = [_new("ada", new_id(), Kind.HEAD) for _ in range(4)]
    await limited.service.create([*heads, _new("ada"), _new("ada")])
    assert len(await _leased(limited)) == 6


async def test_weights_share_a_site(limited: Site) -> None:
    await limited.register(room=ROOM.model_copy(update={"slots": 3}))
    await limited.service.create([_new("ada")] * 3)
    await limited.service.create([_new("bob")] * 3)
    assert sorted(await _leased(limited)) == ["ada", "ada", "bob"]


async def test_an_owners_priorities_order_its_own_tasks_only(limited: Site) -> None:
    await limited.register(room=ROOM.model_copy(update={"slots": 2}))
    urgent = [_new("bob", priority=100) for _ in range(3)]
    await limited.service.create([_new("bob"), *urgent, _new("eve", priority=-100)])
    orders = await limited.queue.lease(limited.holder, Known(set(), set(), 32), Deadline.after(0))
    assert sorted((task.owner, task.terms.priority) for task, _ in orders.leased) == [("bob", 100), ("eve", -100)]
