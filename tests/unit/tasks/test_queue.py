"""Leases, fencing, retries and cancels, over a real database."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.tasks.conftest import Site

from penstock.clock import Deadline
from penstock.errors import Fenced, InvalidInput, NotFound
from penstock.names import new_id
from penstock.tasks.ends import End
from penstock.tasks.handout import Holder
from penstock.tasks.models import AttemptLog, Kind, Outcome, State
from penstock.tasks.room import Room

LATER = Holder("local", "second")


async def test_a_created_task_is_queued_and_leased_once(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    assert attempt == f"{task}-1"
    assert (await site.get(task)).state is State.INITIALIZING
    assert (await site.lease(holding={attempt})).leased == []


async def test_a_task_runs_from_its_first_executor_on_and_completes(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    assert await site.start(attempt)
    running = await site.get(task)
    assert (running.state, running.started_us is not None) == (State.RUNNING, True)
    assert await site.finish(attempt)
    done = await site.get(task)
    assert (done.state, done.ended_us is not None) == (State.COMPLETE, True)
    assert done.attempts[0].outcome is Outcome.COMPLETE


async def test_a_start_that_is_told_with_the_end_is_noted_with_it(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    assert await site.queue.finished(site.holder, attempt, End(8, Outcome.COMPLETE, "", AttemptLog(), started_us=7))
    done = await site.get(task)
    assert (done.state, done.started_us, done.attempts[0].started_us) == (State.COMPLETE, 7, 7)
    assert done.attempts[0].ended_us == 8


async def test_a_start_that_was_told_before_the_end_stays(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    assert await site.queue.started(site.holder, attempt, 5)
    assert await site.queue.finished(site.holder, attempt, End(8, Outcome.COMPLETE, "", AttemptLog(), started_us=7))
    done = await site.get(task)
    assert (done.started_us, done.attempts[0].started_us) == (5, 5)


async def test_an_end_that_is_told_again_changes_nothing(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    for at_us in (8, 9):
        assert await site.queue.finished(site.holder, attempt, End(at_us, Outcome.COMPLETE, "", AttemptLog()))
    assert (await site.get(task)).attempts[0].ended_us == 8


async def test_a_lease_waits_for_work_that_comes_later(site: Site) -> None:
    await site.register()
    waiting = asyncio.create_task(site.lease(wait_s=20))
    await asyncio.sleep(0)  # let it look at the empty queue first
    made = await site.create()
    assert [task.id for task, _ in (await waiting).leased] == [made.id]


async def test_a_lease_whose_answer_was_lost_is_told_again(site: Site) -> None:
    await site.register()
    _, attempt = await site.leased_task()
    again = (await site.lease(holding=set())).leased
    assert [one.id for _, one in again] == [attempt]


async def test_an_attempt_whose_end_is_being_reported_is_not_told_again(site: Site) -> None:
    await site.register()
    _, attempt = await site.leased_task()
    assert not await site.lease(ending={attempt})


async def test_a_report_said_twice_is_taken_twice_and_counts_once(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    assert await site.finish(attempt)
    assert await site.finish(attempt, Outcome.EXECUTOR_ERROR)
    assert (await site.get(task)).state is State.COMPLETE


async def test_a_lost_attempt_is_tried_again_and_fences_the_first(site: Site) -> None:
    await site.register()
    task, first = await site.leased_task()
    assert await site.finish(first, Outcome.LOST, "the node is gone")
    queued = await site.get(task)
    assert (queued.state, queued.attempts[0].state) == (State.QUEUED, "lost")
    ((_, second),) = (await site.lease()).leased
    assert second.id == f"{task}-2"
    assert not await site.start(first)
    assert not await site.finish(first)
    assert await site.finish(second.id)
    assert (await site.get(task)).state is State.COMPLETE


async def test_after_the_last_attempt_all_reasons_are_told(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task(attempts=2)
    await site.finish(attempt, Outcome.LOST, "the disk was full")
    await site.lease()
    await site.finish(f"{task}-2", Outcome.LOST, "the node is gone")
    ended = await site.get(task)
    assert ended.state is State.SYSTEM_ERROR
    assert ended.reason == "All 2 attempts were lost: 1: the disk was full; 2: the node is gone."


async def test_an_exit_code_to_retry_on_is_tried_again_but_others_are_final(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task(retry_on_exit=[75], attempts=2)
    await site.finish(attempt, Outcome.EXECUTOR_ERROR, "exit code 75", exit_code=75)
    assert (await site.get(task)).state is State.QUEUED
    await site.lease()
    await site.finish(f"{task}-2", Outcome.EXECUTOR_ERROR, "exit code 75", exit_code=75)
    assert (await site.get(task)).state is State.EXECUTOR_ERROR
    other, attempt = await site.leased_task(retry_on_exit=[75])
    await site.finish(attempt, Outcome.EXECUTOR_ERROR, "exit code 1", exit_code=1)
    assert (await site.get(other)).reason == "exit code 1"


async def test_an_expired_lease_gives_the_task_back(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    site.queue._lease_us = -1
    await site.queue.renew(site.holder, {attempt})
    await site.queue.expire()
    assert (await site.get(task)).state is State.QUEUED
    assert not await site.finish(attempt)


async def test_an_agent_that_was_cut_off_gets_nothing_new_before_it_asks_again(site: Site) -> None:
    await site.register()
    task, first = await site.leased_task()
    assert await site.finish(first, Outcome.LOST, "its lease ran out")
    dead = await site.lease(holding={first})  # a long-poll from before that, of an agent that may not be there
    assert (dead.leased, dead.end) == ([], [first])
    assert [one.id for one, _ in (await site.lease(ending={first})).leased] == [task]


async def test_a_renewed_lease_does_not_expire(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    assert not await site.queue.renew(site.holder, {attempt})
    await site.queue.expire()
    assert (await site.get(task)).state is State.INITIALIZING


async def test_a_restarted_server_gives_every_lease_a_fresh_period(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    fresh, site.queue._lease_us = site.queue._lease_us, -1
    await site.queue.renew(site.holder, {attempt})
    site.queue._lease_us = fresh
    await site.queue.recover()
    await site.queue.expire()
    assert (await site.get(task)).state is State.INITIALIZING


async def test_a_second_agent_of_a_site_fences_the_first(site: Site) -> None:
    await site.register()
    _, attempt = await site.leased_task()
    first = site.holder
    orders = await site.register(LATER, running=(attempt,))
    assert [one.id for _, one in orders.leased] == [attempt]
    with pytest.raises(Fenced):
        await site.finish(attempt, holder=first)
    with pytest.raises(Fenced):
        await site.queue.renew(first, {attempt})
    assert await site.finish(attempt)


async def test_an_agent_that_comes_back_without_a_runner_has_lost_its_attempt(site: Site) -> None:
    await site.register()
    task, _ = await site.leased_task()
    orders = await site.register(LATER, running=("01aaaaaaaaaaaaaaaaaaaaaaaa-1",))
    assert orders.end == ["01aaaaaaaaaaaaaaaaaaaaaaaa-1"]
    assert (await site.get(task)).state is State.QUEUED


async def test_an_agent_that_never_said_hello_is_told_so(site: Site) -> None:
    with pytest.raises(NotFound, match="says hello first"):
        await site.lease()


async def test_a_key_creates_once_in_a_workload(site: Site) -> None:
    workload = new_id()
    first = await site.create(workload=workload, key="align")
    again = await site.create(workload=workload, key="align")
    other = await site.create(workload=new_id(), key="align")
    assert (again.id, again.created) == (first.id, False)
    assert (other.created, other.id != first.id) == (True, True)


async def test_a_task_that_can_never_fit_is_refused_saying_why(site: Site) -> None:
    await site.register()
    with pytest.raises(InvalidInput, match=r"needs 64 CPU cores.*local, has 2 CPU cores"):
        await site.create(cpu_cores=64)


async def test_a_process_that_can_never_fit_ends_at_once_saying_why(site: Site) -> None:
    await site.register()
    ended = await site.get((await site.create(workload=new_id(), cpu_cores=64)).id)
    assert ended.state is State.SYSTEM_ERROR
    assert "needs 64 CPU cores" in ended.reason
    assert "local, has 2 CPU cores" in ended.reason


async def test_a_task_created_before_any_site_is_judged_when_one_registers(site: Site) -> None:
    task = (await site.create(ram_gb=500)).id
    assert (await site.get(task)).state is State.QUEUED
    await site.register()
    assert (await site.get(task)).state is State.SYSTEM_ERROR


async def test_only_what_fits_is_leased_and_the_rest_when_there_is_room(site: Site) -> None:
    await site.register()
    for _ in range(3):
        await site.create(cpu_cores=1)
    held = [attempt.id for _, attempt in (await site.lease()).leased]
    assert len(held) == 2
    waiting = asyncio.create_task(site.lease(holding={held[1]}, ending={held[0]}, wait_s=20))
    await site.finish(held[0])
    assert len((await waiting).leased) == 1


async def test_processes_go_before_heads_and_heads_keep_to_their_half(site: Site) -> None:
    await site.register(room=Room(cpu_cores=2, ram_gb=4, disk_gb=1, slots=4))
    heads = [(await site.create(kind=Kind.HEAD, cpu_cores=0.05, ram_gb=0.5)).id for _ in range(4)]
    process = (await site.create(cpu_cores=2, ram_gb=1)).id
    assert [task.id for task, _ in (await site.lease()).leased] == [process, *heads[:2]]


async def test_changes_of_a_workload_come_in_order_and_by_waiting(site: Site) -> None:
    await site.register()
    workload = new_id()
    one = (await site.create(workload=workload, key="a")).id
    found, after = await site.service.changes(workload, 0, Deadline.after(0))
    assert [(task.id, task.state) for task in found] == [(one, State.QUEUED)]
    waiting = asyncio.create_task(site.service.changes(workload, after, Deadline.after(20)))
    await site.lease()
    found, later = await waiting
    assert ([task.state for task in found], later > after) == ([State.INITIALIZING], True)


async def test_progress_counts_processes_by_rule(site: Site) -> None:
    await site.register()
    workload = new_id()
    await site.create(workload=workload, key="head", kind=Kind.HEAD)
    for key in ("a", "b", "c"):
        await site.create(workload=workload, key=key)
    await site.service.expect(workload, 9)
    held = [attempt.id for task, attempt in (await site.lease()).leased if task.kind is Kind.PROCESS]
    await site.finish(held[0])
    progress = await site.service.progress(workload)
    assert (progress.total, progress.done, progress.running, progress.queued, progress.failed) == (9, 1, 1, 1, 0)
    assert progress.rules == {"align": {"total": 3, "done": 1, "running": 1, "queued": 1, "failed": 0}}


async def test_forgetting_a_workload_leaves_no_row_and_no_folder(site: Site) -> None:
    await site.register()
    workload = new_id()
    task = (await site.create(workload=workload, key="a")).id
    (site.workspace / "tasks" / task / "1").mkdir(parents=True)
    await site.service.cancel_workload(workload)
    await site.service.forget_workload(workload)
    with pytest.raises(NotFound):
        await site.get(task)
    assert not (site.workspace / "tasks" / task).exists()
