"""Connections that are cut, fall silent or compete: an upload has one writer, and keeps what arrived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from penstock.clock import Deadline

CONTENT = bytes(range(256)) * 4096  # 1 MiB
HEAD = {"Tus-Resumable": "1.0.0"}
WAIT_S = 30.0


class Sender:
    """A PATCH by hand, so that it can stop in the middle."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, piece: bytes) -> None:
        self.writer.write(piece)
        await self.writer.drain()

    async def status(self) -> int:
        """The status of the answer."""
        line = await asyncio.wait_for(self.reader.readline(), WAIT_S)
        return int(line.split()[1])

    def cut(self) -> None:
        """The network is gone: a reset, no goodbye."""
        self.writer.transport.abort()


@asynccontextmanager
async def patching(url: str, token: str, offset: int, length: int, *more: str) -> AsyncIterator[Sender]:
    """An open PATCH that has sent its headers."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    lines = (
        f"PATCH {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Authorization: Bearer {token}",
        "Tus-Resumable: 1.0.0",
        "Content-Type: application/offset+octet-stream",
        f"Upload-Offset: {offset}",
        f"Content-Length: {length}",
        *more,
    )
    sender = Sender(reader, writer)
    await sender.send("\r\n".join((*lines, "", "")).encode())
    try:
        yield sender
    finally:
        writer.transport.abort()


async def offset(site: Any, url: str) -> int:
    answer = await site.client.head(url, headers=HEAD)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


async def until_writing(site: Any, at_least: int = 0) -> None:
    """Until a request is writing and that many bytes have arrived in its file."""
    deadline = Deadline.after(WAIT_S)
    incoming = site.inside.uploads.folder
    while not site.inside.uploads.sessions.active() or sum(p.stat().st_size for p in incoming.iterdir()) < at_least:
        assert not deadline.passed
        await asyncio.sleep(0)


async def until_idle(site: Any) -> None:
    deadline = Deadline.after(WAIT_S)
    while site.inside.uploads.sessions.active():
        assert not deadline.passed
        await asyncio.sleep(0)


async def go_on(site: Any, url: str, content: bytes) -> int:
    """What a client does after a cut: ask, send, and ask again where it is told to. The number of tries."""
    for number in range(1, 50):
        at = await offset(site, url)
        answer = await site.send(url, content[at:], at)
        if answer.status_code == 204:
            return number
        assert answer.status_code in (409, 423), answer.text
    pytest.fail("it never came through")


async def test_a_cut_connection_keeps_what_arrived(site: Any) -> None:
    created = await site.create({"a.txt": CONTENT})
    url = created["uploads"][0]["url"]
    async with patching(url, site.token, 0, len(CONTENT)) as sender:
        await sender.send(CONTENT[:300_000])
        await until_writing(site)
        sender.cut()
    await until_idle(site)
    kept = await offset(site, url)
    assert 0 < kept <= 300_000
    assert await go_on(site, url, CONTENT) == 1
    await site.until(created["id"], "QUEUED")


async def test_a_client_that_comes_back_at_once_gets_through(site: Any) -> None:
    created = await site.create({"a.txt": CONTENT})
    url = created["uploads"][0]["url"]
    async with patching(url, site.token, 0, len(CONTENT)) as sender:
        await sender.send(CONTENT[:300_000])
        sender.cut()
        await go_on(site, url, CONTENT)
    await site.until(created["id"], "QUEUED")


async def test_two_requests_never_write_at_once(site: Any) -> None:
    created = await site.create({"a.txt": CONTENT})
    url = created["uploads"][0]["url"]
    async with patching(url, site.token, 0, len(CONTENT)) as first:
        await first.send(CONTENT[:100])
        await until_writing(site)
        second = asyncio.create_task(site.send(url, CONTENT))
        sent = 100
        while not second.done():  # the first one lives: it goes on sending
            await first.send(CONTENT[sent : sent + 1])
            sent += 1
            await asyncio.sleep(0)
        answer = await second
        assert answer.status_code == 423
        assert answer.headers["Retry-After"] == "1"
        await first.send(CONTENT[sent:])
        assert await first.status() == 204
    await site.until(created["id"], "QUEUED")


async def test_a_silent_request_gives_way_to_a_new_one(site: Any) -> None:
    site.inside.uploads.sessions.stale_s = 0.05
    created = await site.create({"a.txt": CONTENT})
    url = created["uploads"][0]["url"]
    async with patching(url, site.token, 0, len(CONTENT)) as dead:
        await dead.send(CONTENT[:1000])
        await until_writing(site)
        await go_on(site, url, CONTENT)
        assert await dead.status() == 423
    await site.until(created["id"], "QUEUED")


async def test_a_request_ends_when_its_workload_is_canceled(site: Any) -> None:
    created = await site.create({"a.txt": CONTENT})
    async with patching(created["uploads"][0]["url"], site.token, 0, len(CONTENT)) as sender:
        await sender.send(CONTENT[:1000])
        await until_writing(site)
        await site.client.post(f"/api/v1/workloads/{created['id']}:cancel")
        assert await sender.status() == 410
    await site.until(created["id"], "CANCELED")
    assert list(site.inside.uploads.folder.iterdir()) == []


async def test_a_request_ends_when_the_server_drains_and_keeps_what_arrived(site: Any) -> None:
    created = await site.create({"a.txt": CONTENT})
    url = created["uploads"][0]["url"]
    async with patching(url, site.token, 0, len(CONTENT)) as sender:
        await sender.send(CONTENT[:1000])
        await until_writing(site)
        site.inside.signals.drain()
        assert await sender.status() == 503
    assert await offset(site, url) == 1000
