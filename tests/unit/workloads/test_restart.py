"""A start after a kill: what is live goes on, what is half removed is removed, what nobody owns is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.names import new_id
from penstock.tasks import models as tasks_models
from penstock.workloads.models import State
from penstock.workloads.places import remove_tree


@pytest.mark.parametrize("state", [State.UPLOADING, State.PREPARING, State.QUEUED, State.RUNNING, State.PACKING])
async def test_a_start_takes_a_workload_up_where_it_was(house: Any, state: State) -> None:
    new = await house.create(b"a", b"b")
    workload = new.workload.id
    for number, content in enumerate((b"a", b"b")):
        await house.send(new, number, content)
    await house.until(workload, State.QUEUED)
    await house.stop()
    if state is State.UPLOADING:  # killed after the uploads were complete and before anybody noticed
        (house.workspace / "workloads" / workload).rename(house.workspace / "incoming-was")
        inputs = house.workspace / "incoming-was/inputs/text"
        for number, upload in enumerate(new.uploads):
            (inputs / f"{number}.txt").rename(house.workspace / "incoming" / upload.id)
    if state in (State.UPLOADING, State.PREPARING):
        house.queue.heads.clear()
    elif state is not State.QUEUED:
        house.queue.set(workload, tasks_models.State.COMPLETE if state is State.PACKING else tasks_models.State.RUNNING)
    await house.set_state(workload, state)
    await house.start()
    if state in (State.UPLOADING, State.PREPARING, State.QUEUED):
        await house.finish(workload)
    elif state is State.RUNNING:
        house.queue.set(workload, tasks_models.State.COMPLETE)
    await house.until(workload, State.SUCCEEDED)
    assert [path.name for path in (house.workspace / "workloads").iterdir()] == []


@pytest.mark.parametrize("state", [State.ACKNOWLEDGED, State.EXPIRED])
async def test_a_start_goes_on_with_a_removal(house: Any, state: State) -> None:
    new = await house.create(b"")
    await house.finish(new.workload.id)
    await house.stop()
    await house.set_state(new.workload.id, state)
    await house.start()
    await house.until_gone(new.workload.id)
    assert house.traces(new.workload.id) == []


async def test_a_removal_that_the_disk_refused_is_tried_again(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = iter([OSError(5, "Input/output error")] * 3)

    def refuse(folder: Path) -> None:
        if (error := next(refusals, None)) is not None:
            raise error
        remove_tree(folder)

    monkeypatch.setattr("penstock.workloads.conductor.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("penstock.workloads.removal.remove_tree", refuse)
    new = await house.create(b"")
    await house.finish(new.workload.id)
    await house.workloads.acknowledge("ada", new.workload.id)
    await house.until_gone(new.workload.id)
    assert next(refusals, None) is None
    assert house.traces(new.workload.id) == []


async def test_a_start_goes_on_with_a_cancel(house: Any) -> None:
    new = await house.create(b"a")
    await house.stop()
    await house.set_state(new.workload.id, State.CANCELING)
    await house.start()
    await house.until(new.workload.id, State.CANCELED)
    assert await house.uploads.of_workload(new.workload.id) == []


async def test_a_start_removes_what_nobody_owns_and_nothing_else(house: Any) -> None:
    kept = await house.create(b"ab")
    await house.send(kept, 0, b"a")
    done = await house.create(b"")
    await house.finish(done.workload.id)
    await house.stop()
    stray = new_id()
    for folder in (f"workloads/{stray}/work", f"owners/ada/results/{stray}", f"owners/eve/results/{done.workload.id}"):
        (house.workspace / folder).mkdir(parents=True)
    (house.workspace / "workloads" / done.workload.id / "work").mkdir(parents=True)  # killed before it was removed
    (house.workspace / "incoming" / stray).write_bytes(b"x")
    (house.workspace / "owners/ada/data").mkdir(parents=True)
    (house.workspace / "owners/ada/data/mine.txt").write_text("mine")
    await house.start()
    assert house.traces(stray) == []
    assert house.traces(done.workload.id) == [house.workspace / "owners/ada/results" / done.workload.id]
    assert (house.workspace / "incoming" / kept.uploads[0].id).read_bytes() == b"a"
    assert (house.workspace / "owners/ada/data/mine.txt").exists()


async def test_a_start_notes_an_upload_that_was_complete_before_the_kill(house: Any) -> None:
    new = await house.create(b"ab")
    await house.stop()
    (house.workspace / "incoming" / new.uploads[0].id).write_bytes(b"ab")
    await house.start()
    await house.until(new.workload.id, State.QUEUED)


async def test_a_start_leaves_what_it_cannot_remove_and_goes_on(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.stop()
    fast, free = house.workspace / "workloads" / new_id(), house.workspace / "workloads" / new_id()
    for folder in (fast, free):
        folder.mkdir(parents=True)

    def refuse(folder: Path) -> None:
        if folder == fast:
            raise PermissionError(13, "Permission denied")
        remove_tree(folder)

    monkeypatch.setattr("penstock.workloads.removal.remove_tree", refuse)
    await house.start()
    assert fast.exists()
    assert not free.exists()
