"""Wake-ups between servers outlast every end of their database."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import count

import pytest_asyncio
from tests.postgres import Postgres

from penstock.clock import Deadline
from penstock.database.wire import Wire
from penstock.signals import Signals

KILLS = 8
NUMBERS = count()


@pytest_asyncio.fixture
async def both(own_postgres: Postgres) -> AsyncIterator[tuple[Signals, Signals]]:
    """The signals of two servers of one database."""
    signals = Signals(), Signals()
    wires = [Wire(own_postgres.url("postgres"), one) for one in signals]
    for wire in wires:
        await wire.start()
    yield signals
    for wire in wires:
        await wire.stop()


async def chatter(signals: Signals, chance: random.Random) -> None:
    """Something is told at every moment, also at that of the kill."""
    while True:
        signals.notify("noise")
        await asyncio.sleep(chance.uniform(0, 0.01))


async def until_heard(teller: Signals, hearer: Signals) -> None:
    """Tell until it is heard: what is told while the database is away may come late, but the next must come."""
    deadline = Deadline.after(30)
    while True:
        topic = f"topic {next(NUMBERS)}"
        seen = hearer.count(topic)
        teller.notify(topic)
        if await hearer.wait(topic, seen, Deadline.after(1)):
            return
        assert not deadline.passed, "no wake-up comes through any more"


async def test_wake_ups_come_through_after_each_kill_of_the_database(
    both: tuple[Signals, Signals], own_postgres: Postgres
) -> None:
    one, other = both
    chance = random.Random(1)  # noqa: S311 - moments
    talking = [asyncio.create_task(chatter(signals, chance)) for signals in both]
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0, 0.5))
        await asyncio.to_thread(own_postgres.kill)
        await asyncio.sleep(chance.uniform(0, 0.5))
        await asyncio.to_thread(own_postgres.start)
        await until_heard(one, other)
        await until_heard(other, one)
    for task in talking:
        task.cancel()
    await asyncio.gather(*talking, return_exceptions=True)


async def test_what_is_told_while_the_database_is_away_comes_when_it_is_back(
    both: tuple[Signals, Signals], own_postgres: Postgres
) -> None:
    one, other = both
    await until_heard(one, other)
    seen = other.count("late")
    await asyncio.to_thread(own_postgres.kill)
    one.notify("late")
    await asyncio.to_thread(own_postgres.start)
    assert await other.wait("late", seen, Deadline.after(30))
