"""One writer for each upload."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from penstock.errors import Draining, Gone, Locked
from penstock.uploads.sessions import Sessions

WAIT_S = 10.0


async def silent(sessions: Sessions, upload: str, begun: asyncio.Event) -> None:
    """A writer that gets no byte and never ends by itself."""
    async with sessions.sole(upload) as session, session.reading():
        begun.set()
        await asyncio.Event().wait()


async def start(sessions: Sessions, upload: str) -> asyncio.Task[None]:
    begun = asyncio.Event()
    task = asyncio.create_task(silent(sessions, upload, begun))
    await asyncio.wait_for(begun.wait(), WAIT_S)
    return task


async def test_different_uploads_do_not_wait_for_each_other() -> None:
    sessions = Sessions(stale_s=WAIT_S)
    async with AsyncExitStack() as stack:
        for upload in ("a", "b", "c"):
            await stack.enter_async_context(sessions.sole(upload))
        assert sessions.active() == {"a", "b", "c"}
    assert sessions.active() == frozenset()


async def test_a_writer_that_lives_is_left_alone() -> None:
    sessions = Sessions(stale_s=0.05)
    async with sessions.sole("a") as first:

        async def live() -> None:
            while True:
                first.arrivals += 1
                await asyncio.sleep(0)

        living = asyncio.create_task(live())
        with pytest.raises(Locked):
            async with sessions.sole("a"):
                pass
        living.cancel()
        assert first.fenced is None


async def test_a_silent_writer_is_sent_away_and_ends_before_the_next_begins() -> None:
    sessions = Sessions(stale_s=0.01)
    old = await start(sessions, "a")
    async with sessions.sole("a"):
        assert old.done() or sessions.active() == {"a"}
    with pytest.raises(Locked, match="taken this upload over"):
        await old


async def test_a_writer_that_ends_makes_room_at_once() -> None:
    sessions = Sessions(stale_s=WAIT_S)
    order = []
    async with sessions.sole("a"):

        async def second() -> None:
            async with sessions.sole("a"):
                order.append("second")

        waiting = asyncio.create_task(second())
        await asyncio.sleep(0)
        order.append("first")
    await asyncio.wait_for(waiting, WAIT_S)
    assert order == ["first", "second"]


async def test_of_many_that_wait_one_at_a_time_gets_through() -> None:
    sessions = Sessions(stale_s=WAIT_S)
    inside = most = 0

    async def one() -> None:
        nonlocal inside, most
        async with sessions.sole("a"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(one() for _ in range(20)))
    assert most == 1


async def test_a_removed_uploads_writer_is_told_so() -> None:
    sessions = Sessions(stale_s=WAIT_S)
    writer = await start(sessions, "a")
    await sessions.end("a")
    await sessions.end("nobody")
    with pytest.raises(Gone):
        await writer


async def test_a_drain_sends_all_writers_away() -> None:
    sessions = Sessions(stale_s=WAIT_S)
    writers = [await start(sessions, upload) for upload in ("a", "b")]
    sessions.drain()
    for writer in writers:
        with pytest.raises(Draining):
            await writer


async def test_who_is_sent_away_before_reading_reads_nothing() -> None:
    sessions = Sessions(stale_s=WAIT_S)
    async with sessions.sole("a") as session:
        session.fence(Gone("early"))
        session.fence(Draining("later"))
        with pytest.raises(Gone):
            async with session.reading():
                await asyncio.Event().wait()


async def test_a_time_out_of_the_readers_own_is_its_own() -> None:
    sessions = Sessions(stale_s=WAIT_S)
    async with sessions.sole("a") as session:
        with pytest.raises(TimeoutError):
            async with session.reading():
                raise TimeoutError
