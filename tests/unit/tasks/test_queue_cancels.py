"""Cancels, over a real database."""

from __future__ import annotations

import asyncio

from tests.unit.tasks.conftest import Site

from penstock.names import new_id
from penstock.tasks.handout import Holder
from penstock.tasks.models import Outcome, State

LATER = Holder("local", "second")


async def test_canceling_a_queued_task_is_final_at_once(site: Site) -> None:
    await site.register()
    task = (await site.create()).id
    await site.service.cancel(task)
    assert (await site.get(task)).state is State.CANCELED
    assert not await site.lease()


async def test_canceling_a_running_task_orders_its_agent_to_end_it(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    await site.start(attempt)
    waiting = asyncio.create_task(site.lease(holding={attempt}, wait_s=20))
    await site.service.cancel(task)
    assert (await waiting).cancel == [attempt]
    assert (await site.get(task)).state is State.CANCELING
    await site.finish(attempt, Outcome.CANCELED)
    assert (await site.get(task)).state is State.CANCELED


async def test_a_cancel_wins_over_an_end_that_comes_after_it(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    await site.service.cancel(task)
    await site.finish(attempt, Outcome.COMPLETE)
    assert (await site.get(task)).state is State.CANCELED


async def test_canceling_a_finished_task_changes_nothing(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    await site.finish(attempt)
    await site.service.cancel(task)
    assert (await site.get(task)).state is State.COMPLETE


async def test_canceling_a_workload_cancels_all_its_tasks(site: Site) -> None:
    await site.register()
    workload = new_id()
    for key in ("a", "b", "c"):
        await site.create(workload=workload, key=key)
    held = {attempt.id for _, attempt in (await site.lease()).leased}
    await site.service.cancel_workload(workload)
    assert set((await site.lease(holding=held)).cancel) == held
