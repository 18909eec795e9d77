"""Outputs appear once, over a real database."""

from __future__ import annotations

import pytest
from tests.unit.tasks.conftest import Site

from penstock.tasks.handout import Holder
from penstock.tasks.models import FINAL, Outcome, Published, State

LATER = Holder("local", "second")


async def test_outputs_are_published_when_the_task_completes(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    made = site.workspace / "tasks" / task / "1" / "root" / "out.txt"
    made.parent.mkdir(parents=True)
    made.write_text("result")
    url = "file:///workspace/owners/ada/data/out.txt"
    output = Published(source="root/out.txt", url=url, path="/out.txt", size_bytes=6)
    assert await site.finish(attempt, outputs=[output])
    assert (site.workspace / "owners/ada/data/out.txt").read_text() == "result"
    ended = await site.get(task)
    assert ended.state is State.COMPLETE
    assert ended.attempts[0].log.outputs[0].source is None


async def test_a_fenced_attempt_cannot_publish(site: Site) -> None:
    await site.register()
    task, first = await site.leased_task()
    await site.finish(first, Outcome.LOST, "cut off")
    await site.lease()
    made = site.workspace / "tasks" / task / "1" / "root" / "late.txt"
    made.parent.mkdir(parents=True)
    made.write_text("late")
    url = "file:///workspace/owners/ada/late.txt"
    output = Published(source="root/late.txt", url=url, path="/late.txt", size_bytes=4)
    assert not await site.finish(first, outputs=[output])
    assert not (site.workspace / "owners").exists()


async def test_publishing_that_was_cut_by_a_kill_is_completed_on_start(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    made = site.workspace / "tasks" / task / "1" / "out.txt"
    made.parent.mkdir(parents=True)
    made.write_text("result")
    output = Published(source="out.txt", url="file:///workspace/owners/ada/o", path="/out.txt", size_bytes=6)

    async def killed(_attempt: str) -> None:
        raise ConnectionAbortedError

    with monkeypatch.context() as patch:
        patch.setattr(site.queue, "_publish", killed)
        with pytest.raises(ConnectionAbortedError):
            await site.finish(attempt, outputs=[output])
    assert (await site.get(task)).state not in FINAL
    await site.queue.recover()
    assert (site.workspace / "owners/ada/o").read_text() == "result"
    assert (await site.get(task)).state is State.COMPLETE


async def test_an_output_that_cannot_be_written_is_a_system_error(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    output = Published(source="missing", url="file:///workspace/owners/ada/o", path="/o", size_bytes=1)
    await site.finish(attempt, outputs=[output])
    ended = await site.get(task)
    assert ended.state is State.SYSTEM_ERROR
    assert ended.reason.startswith("An output cannot be written")
