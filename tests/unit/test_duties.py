"""One server leads; one that cannot lets others try, and tries again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from penstock import duties as module
from penstock.duties import Duties
from penstock.errors import StoreAway

FAILURES = [StoreAway("The database does not answer."), OSError("the workspace is not there")]


class Inside:
    """Services whose first start fails."""

    def __init__(self, failure: Exception | None, *, alone: bool) -> None:
        self.failure = failure
        self.terms = 0
        self.led = asyncio.Event()
        self.database = SimpleNamespace(alone=alone, lead=self.lead)
        self.tasks = SimpleNamespace(queue=self)
        self.workloads = self.retention = self.outgoing = self

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[asyncio.Event]:
        self.terms += 1
        yield asyncio.Event()

    async def recover(self) -> None:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    async def start(self) -> None:
        self.led.set()

    async def stop(self) -> None:
        self.led.clear()

    async def expire_forever(self) -> None:
        await asyncio.Event().wait()

    watch = send_forever = expire_forever


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0)


def _duties(inside: Any) -> Duties:
    return Duties(inside)


@pytest.mark.parametrize("failure", FAILURES)
async def test_one_of_several_that_fails_to_lead_tries_again(failure: Exception) -> None:
    inside = Inside(failure, alone=False)
    duties = _duties(inside)
    await duties.begin()
    async with asyncio.timeout(60):
        await inside.led.wait()
    assert inside.terms == 2
    await duties.end()
    assert not inside.led.is_set()


async def test_one_that_is_alone_does_not_start_when_it_cannot_recover() -> None:
    with pytest.raises(OSError, match="workspace"):
        await _duties(Inside(FAILURES[1], alone=True)).begin()


async def test_one_that_is_alone_leads_before_it_serves() -> None:
    inside = Inside(None, alone=True)
    duties = _duties(inside)
    await duties.begin()
    assert inside.led.is_set()
    await duties.end()
