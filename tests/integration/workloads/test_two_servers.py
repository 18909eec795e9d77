"""Two servers on one PostgreSQL and one workspace: whichever a client meets, it is the same service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.integration.workloads.conftest import Site, serving, tus

from penstock.clock import Deadline
from penstock.settings import Settings
from penstock.tasks.handout import Holder, Known
from penstock.tasks.models import Executor, NewTask, TaskSpec
from penstock.tasks.room import Room

AT_ONCE_S = 10.0  # far more than a wake-up takes, far less than the long-poll waits for one
SPEC = TaskSpec(executors=[Executor(image="penstock/tools:1", command=["true"])])


def settings_of(tmp_path: Path, catalogue: Path, url: str, number: int) -> Settings:
    return Settings(
        data=tmp_path / f"data{number}",
        workspace=tmp_path / "workspace",
        key_file=tmp_path / "key",
        catalogue=[catalogue],
        authentication="tokens",
        database_url=SecretStr(url),
    )


@pytest.fixture
async def two(tmp_path: Path, catalogue: Path, postgres_url: str) -> AsyncIterator[tuple[Site, Site]]:
    """The first one leads."""
    async with serving(settings_of(tmp_path, catalogue, postgres_url, 1)) as first:
        await first.register()
        await leads(first)
        async with serving(settings_of(tmp_path, catalogue, postgres_url, 2)) as second:
            second.client.headers["Authorization"] = first.client.headers["Authorization"]
            yield first, second


async def leads(site: Site) -> None:
    deadline = Deadline.after(10)
    while site.inside.workloads._conductor._stopping:
        assert not deadline.passed
        await asyncio.sleep(0.02)


async def test_a_workload_goes_through_both(two: tuple[Site, Site]) -> None:
    first, second = two
    created = await second.create({"a.txt": b"abc"})
    answer = await first.send(created["uploads"][0]["url"].replace(second.url, first.url), b"ab")
    assert answer.status_code == 204
    there = await second.client.head(created["uploads"][0]["url"], headers=tus(0))
    assert there.headers["Upload-Offset"] == "2"
    await second.send(created["uploads"][0]["url"], b"c", 2)
    await first.run(created["id"], {"results/x.txt": b"x"})
    ended = await second.until(created["id"], "SUCCEEDED")
    assert ended["state"] == "SUCCEEDED"
    account = created["account"]
    url = f"/download/{created['id']}/files/results/x.txt"
    answer = await second.client.get(url, auth=(account["name"], account["secret"]))
    assert answer.content == b"x"


async def test_a_long_poll_of_one_is_woken_by_the_other(two: tuple[Site, Site]) -> None:
    first, second = two
    lease = asyncio.create_task(
        first.inside.tasks.queue.lease(first.holder, Known(set(), set(), 4), Deadline.after(30))
    )
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    (made,) = await second.inside.tasks.create([NewTask(owner="ada", spec=SPEC)])
    assert [task.id for task, _ in (await lease).leased] == [made.id]
    assert time.monotonic() - begun < AT_ONCE_S


async def test_a_workload_canceled_at_the_one_that_does_not_lead_ends_at_once(two: tuple[Site, Site]) -> None:
    _, second = two
    created = await second.submit({"a.txt": b"abc"})
    await second.until(created["id"], "QUEUED")
    begun = time.monotonic()
    await second.client.post(f"/api/v1/workloads/{created['id']}:cancel")
    await second.until(created["id"], "CANCELED")
    assert time.monotonic() - begun < AT_ONCE_S


async def test_nothing_is_leased_twice(two: tuple[Site, Site]) -> None:
    first, second = two
    holders = [Holder("local", "only"), Holder("far", "only")]

    room = Room(cpu_cores=1000, ram_gb=1000, disk_gb=1000, slots=1000)
    for holder in holders:
        await second.inside.tasks.queue.register(holder, room, {}, [], mounts=True)
    made = await first.inside.tasks.create([NewTask(owner="ada", spec=SPEC) for _ in range(200)])

    async def take(site: Site, holder: Holder) -> list[str]:
        held: list[str] = []
        while orders := await site.inside.tasks.queue.lease(holder, Known(set(held), set(), 7), Deadline.after(0)):
            held += [attempt.id for _, attempt in orders.leased]
        return held

    taken = await asyncio.gather(*(take(site, holder) for site, holder in zip(two, holders, strict=True)))
    assert all(taken), [len(one) for one in taken]
    assert sorted(one for mine in taken for one in mine) == sorted(f"{one.id}-1" for one in made)


async def test_the_other_leads_when_one_ends(tmp_path: Path, catalogue: Path, postgres_url: str) -> None:
    settings = [settings_of(tmp_path, catalogue, postgres_url, number) for number in (1, 2)]
    async with AsyncExitStack() as stack:
        async with serving(settings[0]) as first:
            await leads(first)
            second = await stack.enter_async_context(serving(settings[1]))
            await second.register()
            created = await second.submit({"a.txt": b"abc"})
            await second.until(created["id"], "QUEUED")
        ended = await second.run(created["id"], {"results/x.txt": b"x"})
        assert ended["state"] == "SUCCEEDED"


async def test_two_writers_of_an_upload_at_two_servers_do_not_mix(two: tuple[Site, Site]) -> None:
    first, second = two
    created = await first.create({"a.txt": b"x" * 100})
    path = created["uploads"][0]["url"].replace(first.url, "")
    silent = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 10
        await silent.wait()

    hanging = asyncio.create_task(first.client.patch(path, content=body(), headers=tus(0)))
    await asyncio.sleep(0.5)
    begun = time.monotonic()
    refused = await second.client.patch(path, content=b"x" * 90, headers=tus(10))
    assert refused.status_code in (204, 409), refused.text
    assert time.monotonic() - begun < AT_ONCE_S
    silent.set()  # the client reads no answer before it has sent what it wanted to
    assert (await hanging).status_code == 423
    if refused.status_code == 409:
        there = int((await second.client.head(path, headers=tus(0))).headers["Upload-Offset"])
        assert (await second.client.patch(path, content=b"x" * (100 - there), headers=tus(there))).status_code == 204
    await first.until(created["id"], "QUEUED")
