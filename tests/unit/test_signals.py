"""Wake-ups are never missed and never outlive a drain."""

from __future__ import annotations

import asyncio

from penstock.clock import Deadline
from penstock.signals import Signals


async def test_a_change_between_look_and_wait_is_not_missed() -> None:
    signals = Signals()
    seen = signals.count("queue")
    signals.notify("queue")
    assert await signals.wait("queue", seen, Deadline.after(0))


async def test_a_waiter_wakes_when_its_topic_is_notified() -> None:
    signals = Signals()
    waiting = asyncio.create_task(signals.wait("queue", 0, Deadline.after(20)))
    await asyncio.sleep(0)
    signals.notify("other")
    signals.notify("queue")
    assert await waiting


async def test_a_wait_ends_with_its_deadline() -> None:
    assert not await Signals().wait("queue", 0, Deadline.after(0.01))


async def test_a_drain_ends_every_wait_and_later_ones_at_once() -> None:
    signals = Signals()
    waiting = [asyncio.create_task(signals.wait(name, 0, Deadline.after(20))) for name in ("a", "b")]
    await asyncio.sleep(0)
    signals.drain()
    assert await asyncio.gather(*waiting) == [False, False]
    assert not await signals.wait("a", 0, Deadline.after(20))


async def test_a_forgotten_topic_keeps_no_memory() -> None:
    signals = Signals()
    waiting = asyncio.create_task(signals.wait("workload:1", 0, Deadline.after(20)))
    await asyncio.sleep(0)
    signals.forget("workload:1")
    signals.drain()
    await waiting
    assert not signals._waiters
