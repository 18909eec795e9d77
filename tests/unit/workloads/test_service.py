"""The service with a real database and real uploads, and a queue that does what the test says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock.clock import MICROSECONDS, Deadline
from penstock.errors import Conflict, StorageFull
from penstock.signals import workload_topic
from penstock.tasks import models as tasks_models
from penstock.tasks.models import Created, Progress
from penstock.workloads.halt import Halt, Halted
from penstock.workloads.models import State

WAIT_S = 20.0


async def test_an_upload_that_falls_silent_expires_with_its_workload(house: Any) -> None:
    new = await house.create(b"ab")
    await house.send(new, 0, b"a")
    house.later(99)
    await house.workloads.look("ada", new.workload.id, 0, Deadline.after(0))
    house.later(1)
    await house.until_gone(new.workload.id)
    assert house.traces(new.uploads[0].id) == []


async def test_a_byte_in_time_keeps_all_uploads_of_a_workload(house: Any) -> None:
    new = await house.create(b"ab", b"c")
    house.later(99)
    await house.send(new, 0, b"a")
    house.later(99)
    look = await house.workloads.look("ada", new.workload.id, 0, Deadline.after(0))
    assert look.expires_us == 1_000_199 * MICROSECONDS
    house.later(1)
    await house.until_gone(new.workload.id)


async def test_a_finished_workload_that_nobody_acknowledges_expires(house: Any) -> None:
    new = await house.create(b"")
    await house.finish(new.workload.id)
    house.later(999)
    await house.until(new.workload.id, State.SUCCEEDED)
    house.later(1)
    await house.until_gone(new.workload.id)
    assert house.traces(new.workload.id) == []
    assert house.queue.forgotten == [new.workload.id]


async def test_a_running_workload_never_expires(house: Any) -> None:
    new = await house.create(b"")
    await house.until(new.workload.id, State.QUEUED)
    house.later(10**6)
    await house.until(new.workload.id, State.QUEUED)


async def test_the_room_that_is_promised_is_not_promised_twice(house: Any) -> None:
    house.free = house.settings.workspace_reserve + 100
    first = await house.create(b"x" * 60)
    with pytest.raises(StorageFull) as caught:
        await house.create(b"x" * 41)
    assert "41 bytes" in str(caught.value)
    assert "40 bytes" in str(caught.value)
    await house.create(b"x" * 40)
    await house.send(first, 0, b"x" * 30)
    house.free -= 30
    with pytest.raises(StorageFull):
        await house.create(b"x")
    assert len(await house.workloads.page("ada", None, None, 10)) == 2


async def test_progress_of_the_processes_wakes_who_waits(house: Any) -> None:
    new = await house.create(b"")
    await house.until(new.workload.id, State.QUEUED)
    house.queue.set(new.workload.id, tasks_models.State.RUNNING)
    await house.until(new.workload.id, State.RUNNING)
    look = await house.workloads.look("ada", new.workload.id, 0, Deadline.after(0))
    for done in (1, 2, 3):
        house.queue.counts = Progress(total=3, done=done)
        house.signals.notify(workload_topic(new.workload.id))
        while look.progress.done != done:
            look = await house.workloads.look("ada", new.workload.id, look.workload.sequence, Deadline.after(WAIT_S))
    assert look.workload.state is State.RUNNING


async def test_a_mistake_of_ours_fails_the_workload_and_nobody_waits_for_ever(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_new: object) -> list[Created]:
        raise ZeroDivisionError

    monkeypatch.setattr(house.queue, "create", broken)
    new = await house.create(b"")
    await house.until(new.workload.id, State.FAILED)
    look = await house.workloads.look("ada", new.workload.id, 0, Deadline.after(0))
    assert look.workload.reason == "The server made a mistake; its log says more."


async def test_a_full_disk_while_preparing_fails_the_workload_in_words(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device", "/secret/place/config.json")

    monkeypatch.setattr("penstock.workloads.intake.write_config", full)
    new = await house.create(b"")
    await house.until(new.workload.id, State.FAILED)
    look = await house.workloads.look("ada", new.workload.id, 0, Deadline.after(0))
    assert look.workload.reason == "The server's disk: No space left on device (config.json)."


async def test_a_cancel_cuts_a_long_step_off(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def endless(_places: object, _workload: object, _arrived: object, halt: object, *_more: object) -> None:
        assert isinstance(halt, Halt)
        loop.call_soon_threadsafe(begun.set)
        assert halt.wait(WAIT_S)
        raise Halted

    monkeypatch.setattr("penstock.workloads.intake.take_in", endless)
    new = await house.create(b"")
    await asyncio.wait_for(begun.wait(), WAIT_S)
    await house.workloads.cancel("ada", new.workload.id)
    await house.until(new.workload.id, State.CANCELED)


async def test_a_canceled_workload_is_acknowledged_like_any_other(house: Any) -> None:
    new = await house.create(b"a")
    with pytest.raises(Conflict):
        await house.workloads.acknowledge("ada", new.workload.id)
    await house.workloads.cancel("ada", new.workload.id)
    await house.until(new.workload.id, State.CANCELED)
    for _ in range(3):
        await house.workloads.acknowledge("ada", new.workload.id)
    await house.until_gone(new.workload.id)
    await house.workloads.acknowledge("ada", new.workload.id)
