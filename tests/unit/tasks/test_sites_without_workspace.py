"""Sites that do not mount the workspace: which tasks they get, and what is left of what they sent."""

from __future__ import annotations

from tests.unit.tasks.conftest import ROOM, Site

from penstock.tasks.models import Kind, Published, State

URL = "file:///workspace/owners/ada/data/x"


async def test_head_tasks_wait_for_a_site_that_mounts_the_workspace(site: Site) -> None:
    await site.queue.register(site.holder, ROOM, {}, (), mounts=False)
    head = (await site.create(kind=Kind.HEAD, ram_gb=0.5)).id
    process = (await site.create()).id
    [(leased, attempt)] = (await site.lease()).leased
    assert leased.id == process
    await site.register(running=(attempt.id,))
    assert [task.id for task, _ in (await site.lease({attempt.id})).leased] == [head]


async def test_what_a_pod_has_sent_is_published_and_its_folder_is_gone(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    received = site.workspace / "tasks" / task / "1" / "received"
    received.mkdir(parents=True)
    (received / "0").write_text("sent")
    output = Published(source="received/0", url=URL, path="/o", size_bytes=4)
    assert await site.finish(attempt, outputs=[output])
    assert (await site.get(task)).state is State.COMPLETE
    assert (site.workspace / "owners/ada/data/x").read_text() == "sent"
    assert not (site.workspace / "tasks" / task).exists()
